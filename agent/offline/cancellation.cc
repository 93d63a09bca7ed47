#include "agent/offline/cancellation.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>

namespace skimwatch::offline {

Cancellation::Cancellation() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Cancellation::Cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  eventfd_write(event_.get(), 1);
}

Cancellation::Wait Cancellation::WaitFor(int fd, short events, absl::Duration timeout) const {
  const int timeout_ms = timeout == absl::InfiniteDuration()
                             ? -1
                             : static_cast<int>(absl::ToInt64Milliseconds(timeout));
  while (!cancelled()) {
    std::array<pollfd, 2> ends = {pollfd{.fd = fd, .events = events, .revents = 0},
                                  pollfd{.fd = event_.get(), .events = POLLIN, .revents = 0}};
    const int ready = poll(ends.data(), ends.size(), timeout_ms);
    if (ready == 0) return Wait::kTimeout;
    if (ready > 0 && ends[1].revents == 0) return Wait::kReady;
  }
  return Wait::kCancelled;
}

}  // namespace skimwatch::offline
