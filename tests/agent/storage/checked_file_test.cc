#include "agent/storage/checked_file.h"

#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/agent/script/support/tree.h"

namespace skimwatch::storage {
namespace {

using ::skimwatch::testing::Tree;

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(CheckedFile, GivesBackWhatWasWritten) {
  Tree tree;
  for (const std::string& content : {std::string(), std::string("x"), std::string(100'000, 'y')}) {
    ASSERT_TRUE(WriteChecked(tree.At("f"), content, true).ok());
    const auto read = ReadChecked(tree.At("f"), 1 << 20);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, content);
  }
}

TEST(CheckedFile, EveryFlippedOrMissingByteIsNoticed) {
  Tree tree;
  ASSERT_TRUE(WriteChecked(tree.At("f"), "some content, some content", false).ok());
  const std::string good = Bytes(tree.At("f"));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    tree.Write("f", bad);
    EXPECT_TRUE(absl::IsDataLoss(ReadChecked(tree.At("f"), 1 << 20).status())) << i;
    tree.Write("f", good.substr(0, i));
    EXPECT_TRUE(absl::IsDataLoss(ReadChecked(tree.At("f"), 1 << 20).status())) << i;
  }
  tree.Write("f", good);
  EXPECT_TRUE(ReadChecked(tree.At("f"), 1 << 20).ok());
}

TEST(CheckedFile, TakesNoMoreThanItsReaderWants) {
  Tree tree;
  // A megabyte of nothing takes a kilobyte on disk.
  ASSERT_TRUE(WriteChecked(tree.At("f"), std::string(1 << 20, '\0'), false).ok());
  EXPECT_TRUE(absl::IsDataLoss(ReadChecked(tree.At("f"), (1 << 20) - 1).status()));
}

TEST(CheckedFile, MissingFileIsNotFound) {
  Tree tree;
  EXPECT_TRUE(absl::IsNotFound(ReadChecked(tree.At("f"), 10).status()));
}

TEST(CheckedFile, FailedWriteLeavesTheOldContentAndNothingBeside) {
  Tree tree;
  ASSERT_TRUE(WriteChecked(tree.At("f"), "old", false).ok());
  tree.MakeFolder("f.new");
  EXPECT_FALSE(WriteChecked(tree.At("f"), "new", false).ok());
  EXPECT_EQ(*ReadChecked(tree.At("f"), 10), "old");
  EXPECT_FALSE(WriteChecked(tree.At("no/folder"), "new", false).ok());
}

}  // namespace
}  // namespace skimwatch::storage
