#include "agent/traffic/source/tls_uprobe/return_probe_check.h"

#include <fcntl.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "absl/cleanup/cleanup.h"

namespace skimwatch::traffic {
namespace {

// The system call that returns from a probed function on x86-64 since Linux 6.11; other
// architectures have none.
constexpr uint32_t kUretprobe = 335;
constexpr int kChildReturned = 7;

// Its return gets the probe.
[[gnu::noinline]] int Probed() {
  int value = kChildReturned;
  // Keeps the compiler from knowing what is returned.
  asm volatile("" : "+r"(value));
  return value;
}

struct Place {
  uint64_t address;
  uint64_t offset = 0;
};

// Where a function of this program lies in its file.
uint64_t OffsetInFile(int (*function)()) {
  Place place{.address = reinterpret_cast<uint64_t>(function)};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& wanted = *static_cast<Place*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          const uint64_t begin = info->dlpi_addr + segment.p_vaddr;
          if (segment.p_type == PT_LOAD && wanted.address >= begin &&
              wanted.address - begin < segment.p_filesz) {
            wanted.offset = wanted.address - begin + segment.p_offset;
          }
        }
        // The first is the program itself.
        return 1;
      },
      &place);
  return place.offset;
}

// Only what is safe after a fork from a program with threads.
[[noreturn]] void RunFiltered() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kUretprobe, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
  // Without a filter there is nothing to find out.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(kChildReturned);
  }
  _exit(Probed());
}

}  // namespace

absl::Status CheckReturnProbes(
    const std::function<absl::StatusOr<BpfLink>(int fd, uint64_t offset)>& set_probe) {
#ifdef __x86_64__
  const uint64_t offset = OffsetInFile(&Probed);
  const int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (self < 0 || offset == 0) return absl::OkStatus();
  const auto closer = absl::MakeCleanup([self] { close(self); });
  const absl::StatusOr<BpfLink> link = set_probe(self, offset);
  if (!link.ok()) return link.status();
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "TLS probes: fork, to try a probe");
  if (child == 0) RunFiltered();
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kChildReturned) return absl::OkStatus();
  return absl::UnimplementedError(
      "TLS probes: this kernel ends programs that have a seccomp filter at a probe, such as those "
      "in "
      "containers (Linux 6.11 to 6.13, mended in their later versions); update the kernel");
#else
  static_cast<void>(set_probe);
  return absl::OkStatus();
#endif
}

}  // namespace skimwatch::traffic
