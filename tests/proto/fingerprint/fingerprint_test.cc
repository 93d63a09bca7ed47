#include "proto/fingerprint/fingerprint.h"

#include <array>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace skimwatch::fingerprint {
namespace {

v1::FingerprintKey Key(const std::string& bytes) {
  v1::FingerprintKey key;
  key.set_id("test");
  key.set_key(bytes);
  return key;
}

// A number published for testing.
constexpr std::array<uint8_t, 16> kDigits = {4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

TEST(Fingerprint, IsHmacSha256OfTheAsciiDigits) {
  // Computed with: printf %s 4111111111111111 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0b...
  const auto fingerprint = Fingerprint(Key(std::string(32, '\x0b')), kDigits);
  ASSERT_TRUE(fingerprint.ok());
  EXPECT_EQ(absl::BytesToHexString(*fingerprint),
            "fa61b145ec820bc4a65f8a5c629f5aaa963c889be33aaa4de3d9eb3e5d9a2818");
}

TEST(Fingerprint, DiffersByKeyAndByCard) {
  std::array<uint8_t, 16> other = kDigits;
  other[15] = 2;
  const auto one = Fingerprint(Key(std::string(32, 'a')), kDigits);
  EXPECT_TRUE(*one == *Fingerprint(Key(std::string(32, 'a')), kDigits));
  EXPECT_FALSE(*one == *Fingerprint(Key(std::string(32, 'b')), kDigits));
  EXPECT_FALSE(*one == *Fingerprint(Key(std::string(32, 'a')), other));
}

TEST(Fingerprint, RefusesAShortKey) {
  EXPECT_EQ(Fingerprint(Key(std::string(31, 'a')), kDigits).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Fingerprint, RefusesWhatIsNoCardNumberAndNeverShowsIt) {
  std::array<uint8_t, 16> ascii = kDigits;
  ascii[3] = '1';
  const std::vector<uint8_t> eleven(11, 7);
  const std::vector<uint8_t> twenty(20, 7);
  for (const absl::Span<const uint8_t> digits :
       {absl::Span<const uint8_t>(ascii), absl::Span<const uint8_t>(eleven),
        absl::Span<const uint8_t>(twenty), absl::Span<const uint8_t>()}) {
    const absl::Status status = Fingerprint(Key(std::string(32, 'a')), digits).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message().find("777"), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace skimwatch::fingerprint
