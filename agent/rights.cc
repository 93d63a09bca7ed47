#include "agent/rights.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace skimwatch::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);

constexpr uint64_t Bit(int capability) { return uint64_t{1} << capability; }

// A signal handler has no other way to know. Written before the signals are sent.
std::atomic<uint64_t> g_keep{0};

// Only system calls: it runs in a signal handler.
void GiveUpOnThisThread() {
  const uint64_t keep = g_keep.load();
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[2] = {};
  // Ambient ones go with the inheritable ones.
  if (syscall(SYS_capget, &header, sets) != 0) return;
  for (int i = 0; i < 2; ++i) {
    const auto mask = static_cast<uint32_t>(keep >> (32 * i));
    sets[i].effective &= mask;
    sets[i].permitted &= mask;
    sets[i].inheritable = 0;
  }
  syscall(SYS_capset, &header, sets);
  syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void OnSignal(int /*signal*/) {
  const int error = errno;
  GiveUpOnThisThread();
  errno = error;
}

// Threads that may do more than `keep`, or gain it by executing a file.
std::vector<pid_t> ThreadsWithMore(uint64_t keep) {
  std::vector<pid_t> threads;
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return threads;
  while (const dirent* entry = readdir(tasks)) {
    int thread = 0;
    if (!absl::SimpleAtoi(entry->d_name, &thread)) continue;
    std::ifstream status(absl::StrCat("/proc/self/task/", thread, "/status"));
    bool has_more = false;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("NoNewPrivs:")) has_more |= line.back() == '0';
      if (!line.starts_with("CapPrm:") && !line.starts_with("CapEff:")) continue;
      has_more |= (strtoull(line.c_str() + 7, nullptr, 16) & ~keep) != 0;
    }
    if (has_more) threads.push_back(thread);
  }
  closedir(tasks);
  return threads;
}

}  // namespace

uint64_t LastingCapabilities(const config::v1::AgentConfig& config) {
  uint64_t keep = 0;
  const config::v1::Sources& sources = config.sources();
  // Files that appear later belong to others as well.
  if (!sources.log_files().empty() || !sources.web_roots().empty() || !sources.journals().empty() ||
      !sources.sample_folders().empty()) {
    keep |= Bit(CAP_DAC_READ_SEARCH);
  }
  // A program that starts later is looked at and gets its probes then (docs/tls.md).
  if (!sources.tls_probes().empty()) {
    keep |= Bit(CAP_BPF) | Bit(CAP_PERFMON) | Bit(CAP_SYS_PTRACE) | Bit(CAP_DAC_READ_SEARCH) |
            Bit(CAP_CHECKPOINT_RESTORE) | Bit(CAP_SYS_ADMIN);
  }
  // A browser is started and ended for every look, and its folder removed, as its own user.
  if (!config.pages().checks().empty() && !config.pages().browser().user().empty()) {
    keep |= Bit(CAP_SETUID) | Bit(CAP_SETGID) | Bit(CAP_KILL);
  }
  return keep;
}

absl::Status KeepCapabilities(uint64_t keep) {
  g_keep.store(keep);
  GiveUpOnThisThread();
  const int signal = SIGRTMAX - 2;
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  if (sigaction(signal, &action, &before) != 0) return absl::ErrnoToStatus(errno, "sigaction");
  const absl::Time until = absl::Now() + kPatience;
  std::vector<pid_t> threads;
  // A thread that began meanwhile has what its maker had.
  while (!(threads = ThreadsWithMore(keep)).empty() && absl::Now() < until) {
    for (const pid_t thread : threads) syscall(SYS_tgkill, getpid(), thread, signal);
    absl::SleepFor(absl::Milliseconds(1));
  }
  // The handler stays: a thread may get its signal late.
  if (threads.empty()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("can't give up capabilities: ", threads.size(), " threads keep theirs"));
}

}  // namespace skimwatch::agent
