#ifndef SKIMWATCH_AGENT_OFFLINE_CANCELLATION_H_
#define SKIMWATCH_AGENT_OFFLINE_CANCELLATION_H_

#include <atomic>

#include "absl/time/time.h"
#include "agent/offline/unique_fd.h"

namespace skimwatch::offline {

// Tells everybody to stop, once. Waits on a file end early by polling `fd()` as well. Thread-safe.
class Cancellation {
 public:
  Cancellation();

  void Cancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // Readable from the moment that Cancel was called.
  int fd() const { return event_.get(); }

  enum class Wait { kReady, kTimeout, kCancelled };
  // Waits until `fd` has one of `events` of poll(2), such as POLLIN.
  Wait WaitFor(int fd, short events, absl::Duration timeout = absl::InfiniteDuration()) const;

 private:
  UniqueFd event_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_CANCELLATION_H_
