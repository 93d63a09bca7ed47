#ifndef SKIMWATCH_COLLECTOR_STORE_FINDING_FEED_H_
#define SKIMWATCH_COLLECTOR_STORE_FINDING_FEED_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::store {

// Hands findings that were committed to those who watch. The ingest publishes after each commit and
// never waits for a watcher: each has a bounded queue, and what does not fit is counted as skipped.
//
// Thread-safe. The feed must outlive its subscriptions.
//
//   auto subscription = feed.Subscribe(filter, 1000, [this] { WakeUp(); });
//   while (auto next = subscription->Next()) { ... }
class FindingFeed {
 public:
  // A finding with the count of those skipped just before it; no finding when skipped ones are all
  // there is.
  struct Item {
    std::shared_ptr<const v1::StoredFinding> finding;
    uint64_t skipped = 0;
  };

  // Unsubscribes when destroyed. `on_ready` is not running any more when the destructor returns.
  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    // The oldest that waits; nothing when the queue is empty.
    std::optional<Item> Next();

   private:
    friend class FindingFeed;
    Subscription(FindingFeed* feed, v1::WatchFindingsRequest filter, size_t findings_max,
                 std::function<void()> on_ready);
    bool Wants(const v1::StoredFinding& finding) const;
    void Offer(const std::vector<std::shared_ptr<const v1::StoredFinding>>& findings);

    FindingFeed* const feed_;
    const v1::WatchFindingsRequest filter_;
    const size_t findings_max_;
    const std::function<void()> on_ready_;
    absl::Mutex mutex_;
    std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
    // Skipped since the last of the queue.
    uint64_t skipped_ ABSL_GUARDED_BY(mutex_) = 0;
  };

  // Findings that match `filter`, from now on. `on_ready` is called on the publisher's thread when
  // the queue stops being empty; it must be quick, and must not subscribe or unsubscribe.
  std::unique_ptr<Subscription> Subscribe(v1::WatchFindingsRequest filter, size_t findings_max,
                                          std::function<void()> on_ready);

  // Whether anybody watches: without, the publisher need not copy its findings.
  bool HasSubscribers() const;
  void Publish(const std::vector<std::shared_ptr<const v1::StoredFinding>>& findings);

 private:
  mutable absl::Mutex mutex_;
  std::vector<Subscription*> subscriptions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::store

#endif  // SKIMWATCH_COLLECTOR_STORE_FINDING_FEED_H_
