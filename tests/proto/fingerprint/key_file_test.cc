#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/fingerprint/fingerprint.h"

namespace skimwatch::fingerprint {
namespace {

using ::testing::HasSubstr;

class KeyFile : public testing::Test {
 protected:
  KeyFile() {
    std::string pattern = testing::TempDir() + "key-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~KeyFile() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  std::string folder_;
};

const std::string kHex = absl::BytesToHexString(std::string(32, '\xa5'));

TEST_F(KeyFile, HoldsAnIdAndAKey) {
  for (const char* const end : {"", "\n", "\r\n"}) {
    const auto key = ReadKeyFile(Write("k", absl::StrCat("2026-a.1_x ", kHex, end)));
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->id(), "2026-a.1_x");
    EXPECT_TRUE(key->key() == std::string(32, '\xa5'));
  }
}

TEST_F(KeyFile, MayBeReadByItsGroup) {
  EXPECT_TRUE(ReadKeyFile(Write("k", "a " + kHex, 0440)).ok());
  EXPECT_TRUE(ReadKeyFile(Write("k", "a " + kHex, 0640)).ok());
}

TEST_F(KeyFile, IsRefusedWhenOthersMayUseIt) {
  for (const mode_t mode : {0604, 0660, 0644, 0610, 0601, 0620}) {
    const std::string path = Write("k", "a " + kHex, mode);
    const absl::Status status = ReadKeyFile(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << mode;
    EXPECT_THAT(std::string(status.message()), HasSubstr("chmod 600 " + path));
  }
}

TEST_F(KeyFile, IsRefusedWithoutShowingItWhenItHoldsNoKey) {
  for (const std::string& text :
       {std::string(), std::string("\n"), kHex, "a  " + kHex, "a " + kHex.substr(1),
        "a " + kHex.substr(2), "a " + kHex + "zz", "a b " + kHex, "a/b " + kHex,
        std::string(65, 'a') + " " + kHex, "a " + kHex + "\nb " + kHex, "a " + kHex + "\n\n",
        "a " + kHex + std::string(1, '\0'), std::string(5000, 'a')}) {
    const std::string path = Write("k", text);
    const absl::Status status = ReadKeyFile(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text.size();
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_EQ(status.message().find("a5a5"), absl::string_view::npos);
  }
}

TEST_F(KeyFile, MustBeARegularFile) {
  EXPECT_EQ(ReadKeyFile(folder_).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(ReadKeyFile(pipe).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadKeyFile(folder_ + "/none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(KeyFile, IsCreatedForItsOwnerOnlyAndReadsBack) {
  const std::string path = folder_ + "/new.key";
  const auto created = CreateKeyFile(path);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->key().size(), 32u);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto read = ReadKeyFile(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id(), created->id());
  EXPECT_TRUE(read->key() == created->key());
  // Nothing is left beside it.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(KeyFile, IsNeverOverwritten) {
  const std::string path = Write("k", "mine");
  EXPECT_EQ(CreateKeyFile(path).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(std::filesystem::file_size(path), 4u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(KeyFile, DiffersEachTime) {
  const auto one = CreateKeyFile(folder_ + "/1");
  const auto two = CreateKeyFile(folder_ + "/2");
  EXPECT_NE(one->id(), two->id());
  EXPECT_FALSE(one->key() == two->key());
}

TEST_F(KeyFile, NamesTheFolderThatIsNotThere) {
  const absl::Status status = CreateKeyFile(folder_ + "/none/k").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_ + "/none/k"));
}

TEST_F(KeyFile, OfAListIsCreatedOnlyWhenItIsTheFirst) {
  const std::string first = folder_ + "/first";
  const std::string old = Write("old", "old " + kHex);
  const auto keys = LoadKeyFiles({first, old});
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ((*keys)[1].id(), "old");
  EXPECT_TRUE(std::filesystem::exists(first));
  EXPECT_EQ(LoadKeyFiles({first, folder_ + "/none"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(LoadKeyFiles({})->empty());
}

TEST_F(KeyFile, OfAListHasAnIdOfItsOwn) {
  const absl::Status status =
      LoadKeyFiles({Write("a", "same " + kHex), Write("b", "same " + kHex)}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("same id same"));
}

}  // namespace
}  // namespace skimwatch::fingerprint
