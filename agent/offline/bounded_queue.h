#ifndef SKIMWATCH_AGENT_OFFLINE_BOUNDED_QUEUE_H_
#define SKIMWATCH_AGENT_OFFLINE_BOUNDED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace skimwatch::offline {

// Work from one or more threads to one or more others, at most `limit` pieces waiting. Thread-safe.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t limit) : limit_(limit) {}

  // Waits for room. False, and `item` is dropped, when the queue was closed.
  bool Push(T item) {
    const auto may_push = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return closed_ || items_.size() < limit_;
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&may_push));
    if (closed_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Waits for a piece. None when the queue was closed and all was taken.
  std::optional<T> Pop() {
    const auto may_pop = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return closed_ || !items_.empty();
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&may_pop));
    if (items_.empty()) return std::nullopt;
    std::optional<T> item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  // Nothing more comes; what waits is still taken.
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

 private:
  const size_t limit_;
  absl::Mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_BOUNDED_QUEUE_H_
