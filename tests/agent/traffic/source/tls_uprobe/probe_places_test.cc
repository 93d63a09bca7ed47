#include "agent/traffic/source/tls_uprobe/probe_places.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using namespace std::string_literals;

constexpr std::array<std::string_view, 4> kNames = {"SSL_free", "SSL_write", "SSL_write_ex",
                                                    "SSL_read"};
constexpr uint64_t kInner = 0x100;
constexpr uint64_t kWrite = 0x200;
constexpr uint64_t kWriteEx = 0x300;

// A file of machine code, with nothing but breakpoints between its functions.
class Machine {
 public:
  Machine() : fd_(memfd_create("code", MFD_CLOEXEC)) {
    Put(0, std::string(0x400, '\xcc'));
    Put(kInner, "\x41\x56\x41\x55"s);
  }
  ~Machine() { close(fd_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void Put(uint64_t at, const std::string& code) const {
    ASSERT_EQ(pwrite(fd_, code.data(), code.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(code.size()));
  }
  std::vector<ElfFunction> Places(std::vector<ElfFunction> functions) const {
    return CheapPlaces(fd_, std::move(functions), kNames);
  }

 private:
  const int fd_;
};

// A call or a jump of five bytes that ends at `end`.
std::string Branch(char opcode, uint64_t end, uint64_t to) {
  const auto distance = static_cast<uint32_t>(to - end);
  std::string code(1, opcode);
  for (int shift = 0; shift < 32; shift += 8) code += static_cast<char>(distance >> shift);
  return code;
}

// What gcc 12 makes of SSL_write in OpenSSL 3.0, up to `call` and from there on.
const std::string kBefore =
    "\x48\x83\xec\x18"                                       // sub $0x18,%rsp
    "\x64\x48\x8b\x04\x25\x28\0\0\0"                         // mov %fs:0x28,%rax
    "\x48\x89\x44\x24\x08"                                   // mov %rax,8(%rsp)
    "\x31\xc0\x85\xd2\x78\x2f"                               // xor %eax,%eax; test %edx,%edx; js
    "\x48\x89\xe1\x48\x63\xd2"s;                             // mov %rsp,%rcx; movslq %edx,%rdx
const std::string kAfter = "\x85\xc0\x7e\x03\x8b\x04\x24"s;  // test; jle; mov (%rsp),%eax

std::string Write(const std::string& before, const std::string& after) {
  return before + Branch('\xe8', kWrite + before.size() + 5, kInner) + after;
}
std::string WriteEx(const std::string& before, char opcode) {
  return before + Branch(opcode, kWriteEx + before.size() + 5, kInner);
}
const std::string kSmallFrame = "\x48\x83\xec\x08"s;  // sub $8,%rsp

const std::vector<ElfFunction> kBoth = {{1, kWrite}, {2, kWriteEx}};
#ifdef __x86_64__
// With the arguments of SSL_write_ex.
const std::vector<ElfFunction> kJoined = {{2, kInner}};
#else
const std::vector<ElfFunction> kJoined = kBoth;
#endif

TEST(ProbePlaces, MoveToWhatBothWritesCall) {
  const Machine machine;
  machine.Put(kWrite, Write(kBefore, kAfter));
  machine.Put(kWriteEx, WriteEx(kSmallFrame, '\xe8'));
  EXPECT_EQ(machine.Places(kBoth), kJoined);
  // With a jump, and without anything before it.
  machine.Put(kWriteEx, WriteEx("", '\xe9'));
  EXPECT_EQ(machine.Places(kBoth), kJoined);
}

TEST(ProbePlaces, MoveWhereTheNumberLiesElsewhereInTheFrame) {
  const Machine machine;
  const std::string before =
      "\xf3\x0f\x1e\xfa"                    // endbr64
      "\x48\x83\xec\x28\x85\xd2"            // sub $0x28,%rsp; test %edx,%edx
      "\x0f\x88\x40\0\0\0"                  // js
      "\x48\x63\xd2\x48\x8d\x4c\x24\x10"s;  // movslq; lea 0x10(%rsp),%rcx
  machine.Put(kWriteEx, WriteEx(kSmallFrame, '\xe8'));
  machine.Put(kWrite, Write(before, "\x85\xc0\x7e\x04\x8b\x44\x24\x10"s));
  EXPECT_EQ(machine.Places(kBoth), kJoined);
  // It returns something else than what was written there.
  machine.Put(kWrite, Write(before, "\x85\xc0\x7e\x04\x8b\x44\x24\x18"s));
  EXPECT_EQ(machine.Places(kBoth), kBoth);
}

TEST(ProbePlaces, StayWhereNotEveryInstructionIsUnderstood) {
  const std::string changed_argument = "\x48\x89\xfe"s;  // mov %rdi,%rsi
  const std::string frame_later = "\x48\x83\xec\x08"s;
  struct Case {
    const char* what;
    std::string write;
    std::string write_ex;
  };
  for (const Case& test : std::vector<Case>{
           {"another buffer", Write(kBefore + changed_argument, kAfter),
            WriteEx(kSmallFrame, '\xe8')},
           {"the frame moves after the number's place was taken",
            Write(kBefore + frame_later, kAfter), WriteEx(kSmallFrame, '\xe8')},
           {"no length of 64 bits", Write(kBefore.substr(0, kBefore.size() - 3), kAfter),
            WriteEx(kSmallFrame, '\xe8')},
           {"returns what was returned", Write(kBefore, "\x48\x83\xc4\x18\xc3"s),
            WriteEx(kSmallFrame, '\xe8')},
           {"SSL_write_ex calls something else", Write(kBefore, kAfter),
            WriteEx(kSmallFrame + '\x90', '\xe8')},
           {"SSL_write ends within", kBefore + '\xe8', WriteEx(kSmallFrame, '\xe8')},
       }) {
    const Machine machine;
    machine.Put(kWrite, test.write);
    machine.Put(kWriteEx, test.write_ex);
    EXPECT_EQ(machine.Places(kBoth), kBoth) << test.what;
  }
  const Machine machine;
  machine.Put(kWrite, Write(kBefore, kAfter));
  machine.Put(kWriteEx, WriteEx(kSmallFrame, '\xe8'));
  // Without the other function nobody else calls it with these arguments.
  EXPECT_EQ(machine.Places({{1, kWrite}}), (std::vector<ElfFunction>{{1, kWrite}}));
  // No push, so that nothing would be gained.
  machine.Put(kInner, kSmallFrame);
  EXPECT_EQ(machine.Places(kBoth), kBoth);
  // Beyond the file.
  EXPECT_EQ(machine.Places({{1, 0x10000}}), (std::vector<ElfFunction>{{1, 0x10000}}));
}

TEST(ProbePlaces, GoPastEndbr64ToAPush) {
  const Machine machine;
  machine.Put(kWrite, "\xf3\x0f\x1e\xfa\x41\x57"s);
  machine.Put(kWriteEx, "\xf3\x0f\x1e\xfa\x48\x83\xec\x08"s);
#ifdef __x86_64__
  constexpr uint64_t kEndbr64Bytes = 4;
#else
  constexpr uint64_t kEndbr64Bytes = 0;
#endif
  EXPECT_EQ(machine.Places({{0, kWrite}, {3, kWriteEx}}),
            (std::vector<ElfFunction>{{0, kWrite + kEndbr64Bytes}, {3, kWriteEx}}));
}

}  // namespace
}  // namespace skimwatch::traffic
