#include "agent/traffic/source/tls_uprobe/elf_functions.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

extern "C" int skimwatch_test_first(int value) { return value + 1; }
extern "C" int skimwatch_test_first_longer(int value) { return value + 2; }

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::ReadFile;
using ::skimwatch::testing::TempFolder;
using ::testing::IsEmpty;

constexpr std::array<std::string_view, 4> kNames = {"skimwatch_test_none", "skimwatch_test_first",
                                                    "test_first_longer",
                                                    "skimwatch_test_first_longer"};

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    EXPECT_GE(fd_, 0) << path;
  }
  ~OpenFile() { close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// Where a function of this program lies in its file, as the loader says.
uint64_t OffsetInFile(const void* function) {
  struct Search {
    uint64_t address;
    uint64_t offset = 0;
  } search{.address = reinterpret_cast<uint64_t>(function)};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& wanted = *static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          const uint64_t begin = info->dlpi_addr + segment.p_vaddr;
          if (segment.p_type == PT_LOAD && wanted.address >= begin &&
              wanted.address < begin + segment.p_filesz) {
            wanted.offset = wanted.address - begin + segment.p_offset;
          }
        }
        return 0;
      },
      &search);
  return search.offset;
}

TEST(ElfConstants, AreFoundWhereAllOfThemStand) {
  // Made of pieces, so that this program holds them only where they are wanted.
  static const char kHeld[] = "a text that this program holds";
  asm volatile("" : : "r"(kHeld));
  const OpenFile self("/proc/self/exe");
  const std::string held = "text that this program holds";
  const std::string missing = std::string("text that this program ") + "lacks";
  const auto ask = [&](std::vector<std::string_view> texts) {
    const absl::StatusOr<bool> answer = ElfConstantsHold(self.fd(), texts);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() && *answer;
  };
  EXPECT_TRUE(ask({held}));
  EXPECT_FALSE(ask({missing}));
  EXPECT_FALSE(ask({held, missing}));
}

TEST(ElfFunctions, FindsTheFirstInstructionOfEachFunctionByItsWholeName) {
  const OpenFile self("/proc/self/exe");
  const auto functions = FindElfFunctions(self.fd(), kNames);
  ASSERT_TRUE(functions.ok()) << functions.status();
  EXPECT_THAT(
      *functions,
      ::testing::ElementsAre(
          ElfFunction{.name = 1,
                      .offset = OffsetInFile(reinterpret_cast<void*>(&skimwatch_test_first))},
          ElfFunction{
              .name = 3,
              .offset = OffsetInFile(reinterpret_cast<void*>(&skimwatch_test_first_longer))}));
}

TEST(ElfFunctions, FindsNothingInWhatIsNoProgramOfThisMachine) {
  const TempFolder folder;
  std::string program = ReadFile("/proc/self/exe");
  const auto found_in = [&](std::string_view bytes) {
    std::ofstream(folder.File("file"), std::ios::binary) << bytes;
    const OpenFile file(folder.File("file"));
    const auto functions = FindElfFunctions(file.fd(), kNames);
    EXPECT_TRUE(functions.ok()) << functions.status();
    return functions.ok() ? *functions : std::vector<ElfFunction>();
  };
  EXPECT_THAT(found_in(""), IsEmpty());
  EXPECT_THAT(found_in("\x7f"
                       "ELF"),
              IsEmpty());
  EXPECT_THAT(found_in("#!/bin/sh\n" + std::string(4096, 'x')), IsEmpty());
  for (const size_t place : {size_t{EI_CLASS}, size_t{EI_DATA}, offsetof(Elf64_Ehdr, e_machine),
                             offsetof(Elf64_Ehdr, e_type)}) {
    std::string other = program;
    other[place] = static_cast<char>(other[place] + 100);
    EXPECT_THAT(found_in(other), IsEmpty()) << place;
  }
}

TEST(ElfFunctions, SaysWhereATableLiesOutsideOfTheFile) {
  const TempFolder folder;
  const std::string program = ReadFile("/proc/self/exe");
  std::ofstream(folder.File("file"), std::ios::binary)
      << std::string_view(program).substr(0, program.size() / 2);
  const OpenFile file(folder.File("file"));
  const auto functions = FindElfFunctions(file.fd(), kNames);
  EXPECT_TRUE(absl::IsInvalidArgument(functions.status())) << functions.status();
}

// Headers and tables with any content: no crash, no offset outside of what any segment names.
TEST(ElfFunctions, SurvivesDamage) {
  const TempFolder folder;
  const std::string program = ReadFile("/proc/self/exe");
  Elf64_Ehdr header;
  std::memcpy(&header, program.data(), sizeof(header));
  std::mt19937 random(20260101);
  std::ofstream(folder.File("file"), std::ios::binary) << program;
  const int fd = open(folder.File("file").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  for (int round = 0; round < 400; ++round) {
    // In the header, the segments, or the sections.
    const uint64_t bases[] = {0, header.e_phoff, header.e_shoff};
    const uint64_t sizes[] = {sizeof(header), header.e_phnum * sizeof(Elf64_Phdr),
                              header.e_shnum * sizeof(Elf64_Shdr)};
    const size_t which = random() % 3;
    const uint64_t place = bases[which] + random() % sizes[which];
    const char damage = static_cast<char>(random());
    ASSERT_EQ(pwrite(fd, &damage, 1, static_cast<off_t>(place)), 1);
    const auto functions = FindElfFunctions(fd, kNames);
    if (functions.ok()) {
      EXPECT_LE(functions->size(), kNames.size());
    }
    ASSERT_EQ(pwrite(fd, &program[place], 1, static_cast<off_t>(place)), 1);
  }
  close(fd);
}

}  // namespace
}  // namespace skimwatch::traffic
