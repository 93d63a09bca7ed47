#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/time/clock.h"
#include "proto/process/process.h"
#include "spdlog/spdlog.h"

namespace skimwatch::process {
namespace {

sigset_t TerminationSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

void BlockTerminationSignals() {
  const sigset_t signals = TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A peer that hangs up is an error of write(), not the end of the process.
  signal(SIGPIPE, SIG_IGN);
}

bool WaitForTerminationSignal(absl::Duration timeout, Hangup hangup) {
  const sigset_t signals = TerminationSignals();
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    int signal = 0;
    if (timeout == absl::InfiniteDuration()) {
      signal = sigwaitinfo(&signals, nullptr);
    } else {
      const timespec left =
          absl::ToTimespec(std::max(deadline - absl::Now(), absl::ZeroDuration()));
      signal = sigtimedwait(&signals, nullptr, &left);
    }
    if (signal == SIGHUP && hangup == Hangup::kIgnored) {
      spdlog::info(
          "SIGHUP changes nothing: certificates are read anew by themselves, and the configuration "
          "at the next start");
      continue;
    }
    if (signal > 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace skimwatch::process
