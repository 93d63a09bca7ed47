#include "agent/traffic/source/tls_uprobe/mapped_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::TempFolder;

TEST(ParseMapping, TakesExecutableFiles) {
  const auto mapping =
      ParseMapping(7,
                   "7f1c2a200000-7f1c2a25d000 r-xp 0001f000 fe:01 131337                     "
                   "/usr/lib/x86_64-linux-gnu/libssl.so.3");
  ASSERT_TRUE(mapping.has_value());
  EXPECT_EQ(mapping->pid, 7);
  EXPECT_EQ(mapping->begin, 0x7f1c2a200000u);
  EXPECT_EQ(mapping->end, 0x7f1c2a25d000u);
  EXPECT_EQ(mapping->device, uint64_t{0xfe} << 32 | 1);
  EXPECT_EQ(mapping->inode, 131337u);
  EXPECT_EQ(mapping->path, "/usr/lib/x86_64-linux-gnu/libssl.so.3");
}

TEST(ParseMapping, TakesTheNameOfADeletedFileWithoutTheKernelsRemark) {
  const auto mapping = ParseMapping(7, "1000-2000 r-xp 0 00:2a 5 /opt/a b/x (deleted)");
  ASSERT_TRUE(mapping.has_value());
  EXPECT_EQ(mapping->path, "/opt/a b/x");
}

TEST(ParseMapping, LeavesOutEverythingElse) {
  for (const std::string line :
       {"1000-2000 r--p 00000000 fe:01 5 /usr/lib/x", "1000-2000 r-xp 00000000 00:00 0 ",
        "1000-2000 r-xp 00000000 00:00 0 [vdso]", "1000-2000 r-xp 00000000 fe:01 0 /x",
        "1000-2000 r-xp 00000000 fe:01 5 socket:[1]", "1000-2000 r-x", "1000", "", "x-y r-xp",
        "1000-2000 r-xp 00000000 fe:01 5x /x"}) {
    EXPECT_FALSE(ParseMapping(1, line).has_value()) << line;
  }
}

class OpenMappedFile : public ::testing::Test {
 protected:
  // Maps the file into this process, to be executed.
  void SetUp() override {
    std::ofstream(path_) << std::string(4096, 'a');
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    ASSERT_EQ(fstat(fd, &info), 0);
    inode_ = info.st_ino;
    memory_ = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    close(fd);
    if (memory_ == MAP_FAILED) GTEST_SKIP() << "the folder for tests allows no programs (noexec)";
  }
  void TearDown() override {
    if (memory_ != MAP_FAILED) munmap(memory_, 4096);
  }

  FileMapping Mapping() const {
    FileMapping found;
    ForEachMapping(getpid(), [&](const FileMapping& mapping) {
      if (mapping.begin == reinterpret_cast<uint64_t>(memory_)) found = mapping;
    });
    EXPECT_EQ(found.path, path_);
    EXPECT_EQ(found.inode, inode_);
    return found;
  }

  static uint64_t InodeOf(int fd) {
    struct stat info = {};
    EXPECT_EQ(fstat(fd, &info), 0);
    close(fd);
    return info.st_ino;
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("library.so");
  uint64_t inode_ = 0;
  void* memory_ = MAP_FAILED;
};

TEST_F(OpenMappedFile, OpensTheFileByItsPathWithoutTheRightToItsMapping) {
  FileMapping mapping = Mapping();
  mapping.begin += 1;
  const int fd = OpenMapped(mapping);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(InodeOf(fd), inode_);
}

TEST_F(OpenMappedFile, NeverTakesTheFileThatReplacedIt) {
  std::ofstream(folder_.File("new")) << std::string(4096, 'b');
  std::filesystem::rename(folder_.File("new"), path_);
  FileMapping mapping = Mapping();
  mapping.begin += 1;
  EXPECT_EQ(OpenMapped(mapping), -1);
}

TEST_F(OpenMappedFile, OpensTheMappedFileAfterItWasReplacedOnDisk) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_CHECKPOINT_RESTORE";
  std::ofstream(folder_.File("new")) << std::string(4096, 'b');
  std::filesystem::rename(folder_.File("new"), path_);
  const int fd = OpenMapped(Mapping());
  ASSERT_GE(fd, 0);
  EXPECT_EQ(InodeOf(fd), inode_);
}

TEST_F(OpenMappedFile, FindsNothingOfAProcessThatIsGone) {
  FileMapping mapping = Mapping();
  std::filesystem::remove(path_);
  mapping.pid = 1 << 22;
  EXPECT_EQ(OpenMapped(mapping), -1);
}

}  // namespace
}  // namespace skimwatch::traffic
