#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/time/clock.h"
#include "proto/process/process.h"

namespace skimwatch::process {
namespace {

sigset_t TerminationSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

void BlockTerminationSignals() {
  const sigset_t signals = TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A peer that hangs up is an error of write(), not the end of the process.
  signal(SIGPIPE, SIG_IGN);
}

bool WaitForTerminationSignal(absl::Duration timeout) {
  const sigset_t signals = TerminationSignals();
  if (timeout == absl::InfiniteDuration()) {
    while (sigwaitinfo(&signals, nullptr) < 0) {
      if (errno != EINTR) return false;
    }
    return true;
  }
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const timespec left = absl::ToTimespec(std::max(deadline - absl::Now(), absl::ZeroDuration()));
    if (sigtimedwait(&signals, nullptr, &left) > 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace skimwatch::process
