#include "collector/store/finding_feed.h"

#include <algorithm>
#include <utility>

#include "proto/validation/finding.h"

namespace skimwatch::store {
FindingFeed::Subscription::Subscription(FindingFeed* feed, v1::WatchFindingsRequest filter,
                                        size_t findings_max, std::function<void()> on_ready)
    : feed_(feed),
      filter_(std::move(filter)),
      findings_max_(findings_max),
      on_ready_(std::move(on_ready)) {}

FindingFeed::Subscription::~Subscription() {
  absl::MutexLock lock(&feed_->mutex_);
  std::erase(feed_->subscriptions_, this);
}

std::optional<FindingFeed::Item> FindingFeed::Subscription::Next() {
  absl::MutexLock lock(&mutex_);
  if (!queue_.empty()) {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    return item;
  }
  if (skipped_ == 0) return std::nullopt;
  return Item{.finding = nullptr, .skipped = std::exchange(skipped_, 0)};
}

bool FindingFeed::Subscription::Wants(const v1::StoredFinding& stored) const {
  const v1::Finding& finding = stored.finding();
  return (filter_.site().empty() || filter_.site() == finding.site()) &&
         (filter_.kind() == v1::FINDING_KIND_UNSPECIFIED ||
          filter_.kind() == validation::KindOf(finding)) &&
         filter_.confidence_min() <= finding.confidence();
}

void FindingFeed::Subscription::Offer(
    const std::vector<std::shared_ptr<const v1::StoredFinding>>& findings) {
  bool woke = false;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& finding : findings) {
      if (!Wants(*finding)) continue;
      woke = woke || (queue_.empty() && skipped_ == 0);
      if (queue_.size() >= findings_max_) {
        ++skipped_;
      } else {
        queue_.push_back({.finding = finding, .skipped = std::exchange(skipped_, 0)});
      }
    }
  }
  if (woke && on_ready_) on_ready_();
}

std::unique_ptr<FindingFeed::Subscription> FindingFeed::Subscribe(v1::WatchFindingsRequest filter,
                                                                  size_t findings_max,
                                                                  std::function<void()> on_ready) {
  std::unique_ptr<Subscription> subscription(
      new Subscription(this, std::move(filter), findings_max, std::move(on_ready)));
  absl::MutexLock lock(&mutex_);
  subscriptions_.push_back(subscription.get());
  return subscription;
}

bool FindingFeed::HasSubscribers() const {
  absl::MutexLock lock(&mutex_);
  return !subscriptions_.empty();
}

void FindingFeed::Publish(const std::vector<std::shared_ptr<const v1::StoredFinding>>& findings) {
  absl::MutexLock lock(&mutex_);
  for (Subscription* subscription : subscriptions_) subscription->Offer(findings);
}

}  // namespace skimwatch::store
