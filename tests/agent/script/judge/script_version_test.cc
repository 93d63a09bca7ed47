#include "agent/script/judge/script_version.h"

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

// The example of W3C Subresource Integrity, section 1.2.1.
TEST(ScriptVersion, IntegrityIsThatOfTheSpecification) {
  const v1::ScriptVersion version = VersionOf("alert('Hello, world.');");
  EXPECT_EQ(version.integrity(),
            "sha384-H8BRh8j48O9oYatfu5AZzq6A9RINhZO5H16dQZngK7T62em8MUt1FLm52t+eX6xO");
  EXPECT_EQ(version.size_bytes(), 23u);
}

// FIPS 180-4, example "abc".
TEST(ScriptVersion, HashIsSha256OfTheRawBytes) {
  EXPECT_EQ(absl::BytesToHexString(VersionOf("abc").sha256()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abc"), VersionOf("abc").sha256());
}

TEST(ScriptVersion, DoesNotDependOnThePieces) {
  VersionHasher hasher;
  hasher.Add("a");
  hasher.Add("");
  hasher.Add("bc");
  EXPECT_EQ(hasher.Finish().SerializeAsString(), VersionOf("abc").SerializeAsString());
}

TEST(ScriptVersion, EmptyFileHasAVersion) {
  EXPECT_EQ(VersionOf("").size_bytes(), 0u);
  EXPECT_EQ(VersionOf("").sha256().size(), 32u);
}

}  // namespace
}  // namespace skimwatch::script
