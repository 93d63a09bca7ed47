#include "agent/script/source/file_content.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "agent/script/judge/script_version.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/tree.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::Tree;

class FileReaderTest : public ::testing::Test {
 protected:
  absl::StatusOr<FileContent> Read(const std::string& path, const std::string& known = "") {
    return FileReader(tree_.path(), 1000).Read(path, known, [] { return false; });
  }

  Tree tree_;
};

TEST_F(FileReaderTest, ReadsTextAndVersion) {
  tree_.Write("a/b.js", "var x;");
  const auto content = Read("a/b.js");
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->text, "var x;");
  EXPECT_EQ(content->version.SerializeAsString(), VersionOf("var x;").SerializeAsString());
  EXPECT_FALSE(content->too_large || content->outside || content->unstable);
  EXPECT_EQ(content->bytes_read, 6u);
}

TEST_F(FileReaderTest, KnownBytesAreRecognised) {
  tree_.Write("a.js", "x");
  const auto content = Read("a.js", Sha256("x"));
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->version.sha256(), Sha256("x"));
}

TEST_F(FileReaderTest, LargeFileIsHashedOnly) {
  const std::string large(5000, 'x');
  tree_.Write("a.js", large);
  const auto content = Read("a.js");
  ASSERT_TRUE(content.ok());
  EXPECT_TRUE(content->too_large);
  EXPECT_EQ(content->text, "");
  EXPECT_EQ(content->version.SerializeAsString(), VersionOf(large).SerializeAsString());
  tree_.Write("edge.js", std::string(1000, 'x'));
  EXPECT_FALSE(Read("edge.js")->too_large);
}

TEST_F(FileReaderTest, FollowsALinkInsideTheRoot) {
  tree_.Write("real/v2.js", "x");
  tree_.Link("real/v2.js", "a.js");
  tree_.Link(tree_.At("real/v2.js"), "b.js");
  for (const char* name : {"a.js", "b.js"}) {
    const auto content = Read(name);
    ASSERT_TRUE(content.ok()) << content.status();
    EXPECT_EQ(content->text, "x");
    EXPECT_EQ(content->target, "real/v2.js");
  }
}

TEST_F(FileReaderTest, LinkOutOfTheRootIsHashedOnly) {
  Tree elsewhere;
  elsewhere.Write("secret", "hidden");
  tree_.Link(elsewhere.At("secret"), "a.js");
  const auto content = Read("a.js");
  ASSERT_TRUE(content.ok());
  EXPECT_TRUE(content->outside);
  EXPECT_EQ(content->text, "");
  EXPECT_EQ(content->version.sha256(), Sha256("hidden"));
}

TEST_F(FileReaderTest, FolderWithTheRootsPrefixIsOutside) {
  const std::string beside = tree_.path() + "-beside";
  std::filesystem::create_directory(beside);
  std::ofstream(beside + "/x") << "y";
  tree_.Link(beside + "/x", "a.js");
  EXPECT_TRUE(Read("a.js")->outside);
  std::filesystem::remove_all(beside);
}

TEST_F(FileReaderTest, NeverWaitsForAFifo) {
  ASSERT_EQ(mkfifo(tree_.At("a.js").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Read("a.js").status()));
  tree_.Link("/dev/zero", "zero.js");
  EXPECT_TRUE(absl::IsFailedPrecondition(Read("zero.js").status()));
  tree_.MakeFolder("folder.js");
  EXPECT_TRUE(absl::IsFailedPrecondition(Read("folder.js").status()));
}

TEST_F(FileReaderTest, WhatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(Read("none.js").status()));
  tree_.Link("nowhere", "dangling.js");
  EXPECT_TRUE(absl::IsNotFound(Read("dangling.js").status()));
  tree_.Link("loop.js", "loop.js");
  EXPECT_TRUE(absl::IsNotFound(Read("loop.js").status()));
}

TEST_F(FileReaderTest, FileThatGrowsWhileItIsReadIsUnstable) {
  tree_.Write("a.js", "x");
  // The reader asks whether to stop after each piece; that is when somebody appends.
  bool grown = false;
  const auto content = FileReader(tree_.path(), 1000).Read("a.js", "", [&] {
    if (!grown) {
      grown = true;
      std::ofstream(tree_.At("a.js"), std::ios::app) << "yz";
    }
    return false;
  });
  ASSERT_TRUE(content.ok());
  EXPECT_TRUE(content->unstable);
}

TEST_F(FileReaderTest, FileThatGrowsBeyondTheLimitIsStillHashedWhole) {
  tree_.Write("a.js", std::string(900, 'x'));
  bool grown = false;
  const auto content = FileReader(tree_.path(), 1000).Read("a.js", "", [&] {
    if (!grown) {
      grown = true;
      std::ofstream(tree_.At("a.js"), std::ios::app) << std::string(900, 'y');
    }
    return false;
  });
  ASSERT_TRUE(content.ok());
  EXPECT_TRUE(content->too_large);
  EXPECT_EQ(content->version.sha256(), Sha256(std::string(900, 'x') + std::string(900, 'y')));
}

TEST_F(FileReaderTest, StopEndsALongRead) {
  tree_.Write("a.js", std::string(100'000, 'x'));
  const auto content = FileReader(tree_.path(), 1000).Read("a.js", "", [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(content.status()));
}

}  // namespace
}  // namespace skimwatch::script
