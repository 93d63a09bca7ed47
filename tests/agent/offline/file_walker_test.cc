#include "agent/offline/file_walker.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::offline {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class Recorder final : public WalkVisitor, public SkipSink {
 public:
  bool OnFile(FoundFile file) override {
    files.push_back(file.path);
    bytes += file.bytes;
    opened += file.fd.valid() ? 1 : 0;
    return files.size() < files_max;
  }
  bool Stopped() override { return false; }
  void OnSkip(std::string_view path, SkipReason reason, std::string_view /*detail*/) override {
    skips.emplace_back(path, reason);
  }

  size_t files_max = SIZE_MAX;
  std::vector<std::string> files;
  std::vector<std::pair<std::string, SkipReason>> skips;
  uint64_t bytes = 0;
  int opened = 0;
};

class FileWalkerTest : public ::testing::Test {
 protected:
  FileWalkerTest() { fs::current_path(folder_.path()); }
  ~FileWalkerTest() override { fs::current_path("/"); }

  static void Write(const std::string& path, const std::string& bytes = "x") {
    std::ofstream(path) << bytes;
  }

  Recorder& Walk(FileWalker::Options options = {}, const std::string& path = ".") {
    recorder_ = Recorder();
    FileWalker(std::move(options), recorder_, recorder_).Walk(path);
    return recorder_;
  }

  testing::TempFolder folder_;
  Recorder recorder_;
};

TEST_F(FileWalkerTest, FindsFilesInTheOrderOfTheirNames) {
  fs::create_directories("b/inner");
  Write("c");
  Write("a");
  Write("b/z");
  Write("b/inner/y", "12345");
  Write(".hidden");
  const Recorder& found = Walk();
  EXPECT_THAT(found.files, ElementsAre("./.hidden", "./a", "./b/inner/y", "./b/z", "./c"));
  EXPECT_THAT(found.skips, IsEmpty());
  EXPECT_EQ(found.bytes, 9U);
  EXPECT_EQ(found.opened, 5);
}

TEST_F(FileWalkerTest, KeepsTheFormOfThePathThatWasNamed) {
  fs::create_directory("b");
  Write("b/a");
  EXPECT_THAT(Walk({}, "b").files, ElementsAre("b/a"));
  EXPECT_THAT(Walk({}, "b/").files, ElementsAre("b/a"));
  EXPECT_THAT(Walk({}, "b/a").files, ElementsAre("b/a"));
  EXPECT_THAT(Walk({}, folder_.File("b")).files, ElementsAre(folder_.File("b/a")));
}

TEST_F(FileWalkerTest, LeavesOutWhatIsExcluded) {
  fs::create_directories("src/node_modules/x");
  Write("src/a.js");
  Write("src/a.png");
  Write("src/node_modules/x/b.js");
  Write("b.js");
  const Recorder& found = Walk({.exclude = {"*.png", "node_modules", "src/a.j*"}});
  EXPECT_THAT(found.files, ElementsAre("./b.js"));
  EXPECT_THAT(found.skips, UnorderedElementsAre(Pair("./src/a.png", SkipReason::kExcluded),
                                                Pair("./src/a.js", SkipReason::kExcluded),
                                                Pair("./src/node_modules", SkipReason::kExcluded)));
  // What is named itself is meant.
  EXPECT_THAT(Walk({.exclude = {"b.js"}}, "b.js").files, ElementsAre("b.js"));
}

TEST_F(FileWalkerTest, LeavesOutLargeFiles) {
  Write("small", "12345");
  Write("large", "123456");
  const Recorder& found = Walk({.file_bytes_max = 5});
  EXPECT_THAT(found.files, ElementsAre("./small"));
  EXPECT_THAT(found.skips, ElementsAre(Pair("./large", SkipReason::kTooLarge)));
}

TEST_F(FileWalkerTest, DoesNotFollowLinksUnlessAsked) {
  fs::create_directory("b");
  Write("b/a");
  fs::create_symlink("b", "link");
  fs::create_symlink("b/a", "file_link");
  const Recorder& found = Walk();
  EXPECT_THAT(found.files, ElementsAre("./b/a"));
  EXPECT_THAT(found.skips, UnorderedElementsAre(Pair("./link", SkipReason::kSymlink),
                                                Pair("./file_link", SkipReason::kSymlink)));
  // One that is named itself is meant.
  EXPECT_THAT(Walk({}, "link").files, ElementsAre("link/a"));
  EXPECT_THAT(Walk({}, "file_link").files, ElementsAre("file_link"));
}

TEST_F(FileWalkerTest, FollowsLinksWithoutGoingRound) {
  fs::create_directories("a/b");
  Write("a/b/file");
  fs::create_symlink("..", "a/b/up");
  fs::create_symlink("a", "z_again");
  fs::create_symlink("nowhere", "dangling");
  fs::create_symlink("self", "self");
  fs::create_symlink("a/b/file", "file");
  const Recorder& found = Walk({.follow_symlinks = true});
  EXPECT_THAT(found.files, ElementsAre("./a/b/file", "./file"));
  EXPECT_THAT(found.skips, UnorderedElementsAre(Pair("./a/b/up", SkipReason::kSymlinkLoop),
                                                Pair("./z_again", SkipReason::kScannedBefore),
                                                Pair("./dangling", SkipReason::kSymlinkDangling),
                                                Pair("./self", SkipReason::kSymlinkLoop)));
}

TEST_F(FileWalkerTest, NeverOpensPipesAndSocketsInFolders) {
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "sock"};
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Recorder& found = Walk();
  EXPECT_THAT(found.files, IsEmpty());
  EXPECT_THAT(found.skips, UnorderedElementsAre(Pair("./fifo", SkipReason::kSpecialFile),
                                                Pair("./sock", SkipReason::kSpecialFile)));
}

TEST_F(FileWalkerTest, OpensANamedPipeThatIsNamedWithoutWaiting) {
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  EXPECT_THAT(Walk({}, "fifo").files, ElementsAre("fifo"));
}

TEST_F(FileWalkerTest, RefusesDevicesAndWhatIsNotThere) {
  EXPECT_THAT(Walk({}, "/dev/zero").skips, ElementsAre(Pair("/dev/zero", SkipReason::kUnreadable)));
  EXPECT_THAT(Walk({}, "nothing").skips, ElementsAre(Pair("nothing", SkipReason::kUnreadable)));
  EXPECT_THAT(Walk({}, "").skips, ElementsAre(Pair("", SkipReason::kUnreadable)));
}

TEST_F(FileWalkerTest, EndsAtADepth) {
  // As deep as paths may be long.
  const size_t depth = FileWalker::kDepthMax + 5;
  std::string path = ".";
  for (size_t i = 0; i < depth; ++i) path += "/d";
  fs::create_directories(path);
  Write(path + "/deep");
  Write("shallow");
  const Recorder& found = Walk();
  EXPECT_THAT(found.files, ElementsAre("./shallow"));
  ASSERT_EQ(found.skips.size(), 1U);
  EXPECT_EQ(found.skips[0].second, SkipReason::kTooDeep);
}

TEST_F(FileWalkerTest, DoesNotScanItsOwnOutput) {
  Write("findings");
  Write("other");
  const UniqueFd output(open("findings", O_WRONLY | O_CLOEXEC));
  const Recorder& found = Walk({.output_fd = output.get()});
  EXPECT_THAT(found.files, ElementsAre("./other"));
  EXPECT_THAT(found.skips, ElementsAre(Pair("./findings", SkipReason::kOwnOutput)));
}

TEST_F(FileWalkerTest, LeavesOutWindowsIntoTheKernel) {
  // Through a link, since the root's tree is too large for a test.
  fs::create_symlink("/proc", "proc");
  const Recorder& found = Walk({.follow_symlinks = true});
  EXPECT_THAT(found.files, IsEmpty());
  EXPECT_THAT(found.skips, ElementsAre(Pair("./proc", SkipReason::kPseudoFileSystem)));
  EXPECT_THAT(Walk({.follow_symlinks = true, .one_file_system = true}).skips,
              ElementsAre(Pair("./proc", SkipReason::kOtherFileSystem)));
}

TEST_F(FileWalkerTest, MeasuresWithoutOpening) {
  Write("a", "12345");
  Write("b", "12");
  fs::create_symlink("a", "link");
  const Recorder& found = Walk({.measure_only = true});
  EXPECT_EQ(found.bytes, 7U);
  EXPECT_EQ(found.opened, 0);
  EXPECT_THAT(found.skips, IsEmpty());
}

TEST_F(FileWalkerTest, StopsWhenToldSo) {
  for (const char* const name : {"a", "b", "c"}) Write(name);
  Recorder recorder;
  recorder.files_max = 2;
  FileWalker walker({}, recorder, recorder);
  EXPECT_FALSE(walker.Walk("."));
  EXPECT_THAT(recorder.files, ElementsAre("./a", "./b"));
}

TEST_F(FileWalkerTest, LeavesTheTimeOfTheLastAccessAlone) {
  Write("a");
  const timespec old[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, "a", old, 0), 0);
  class Reader final : public WalkVisitor {
   public:
    bool OnFile(FoundFile file) override {
      char byte = 0;
      return read(file.fd.get(), &byte, 1) == 1;
    }
    bool Stopped() override { return false; }
  } reader;
  ASSERT_TRUE(FileWalker({}, reader, recorder_).Walk("."));
  struct stat info {};
  ASSERT_EQ(stat("a", &info), 0);
  EXPECT_EQ(info.st_atime, 1000);
}

}  // namespace
}  // namespace skimwatch::offline
