#ifndef SKIMWATCH_COLLECTOR_INGEST_STORE_HEALTH_H_
#define SKIMWATCH_COLLECTOR_INGEST_STORE_HEALTH_H_

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace skimwatch::ingest {

// Whether the store takes writes, by the last one that was tried. While it does not, agents are
// turned away and /readyz says why; the housekeeper tries until it does again. Thread-safe.
class StoreHealth {
 public:
  // Whether `status` says that the store is at fault, and not what it was asked.
  static bool IsStoreFailure(const absl::Status& status) {
    return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ||
           absl::IsDataLoss(status);
  }

  // `on_change` is told, on the thread that says so, when the store stops or begins to take writes.
  explicit StoreHealth(std::function<void(bool)> on_change = nullptr)
      : on_change_(std::move(on_change)) {}

  absl::Status Get() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  void Set(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    const bool changed = status_.ok() != status.ok();
    status_ = std::move(status);
    if (changed && on_change_) on_change_(status_.ok());
  }

 private:
  const std::function<void(bool)> on_change_;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_STORE_HEALTH_H_
