#ifndef SKIMWATCH_COLLECTOR_API_WORK_QUEUE_H_
#define SKIMWATCH_COLLECTOR_API_WORK_QUEUE_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace skimwatch::api {

// A few threads for calls that wait for the store, so that operators' questions never hold up the
// threads that agents' streams are served by. What does not fit is refused, never queued without
// bound.
//
// Thread-safe. The destructor runs what was accepted, then joins.
class WorkQueue {
 public:
  struct Options {
    int threads = 4;
    // Accepted and not begun.
    size_t waiting_max = 256;
  };

  explicit WorkQueue(Options options);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;
  ~WorkQueue();

  // False, and `work` is not run, when too much is waiting.
  [[nodiscard]] bool TryAdd(std::function<void()> work);
  // For work whose number is bounded elsewhere: always accepted.
  void Add(std::function<void()> work);

 private:
  void Run();
  bool HasWorkOrEnds() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ending_ || !waiting_.empty();
  }

  const size_t waiting_max_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_WORK_QUEUE_H_
