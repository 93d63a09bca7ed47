#include "collector/store/finding_feed.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"

namespace skimwatch::store {
namespace {

std::shared_ptr<const v1::StoredFinding> Make(uint64_t sequence, const std::string& site = "shop") {
  return std::make_shared<const v1::StoredFinding>(testing::Stored(
      testing::CardFinding(sequence, {.site = site}), "a", 1, absl::FromUnixSeconds(1)));
}

TEST(FindingFeed, DeliversWhatComesAfterSubscribing) {
  FindingFeed feed;
  feed.Publish({Make(1)});
  int woken = 0;
  auto subscription = feed.Subscribe({}, 10, [&] { ++woken; });
  EXPECT_FALSE(subscription->Next().has_value());
  feed.Publish({Make(2), Make(3)});
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(subscription->Next()->finding->finding().sequence(), 2u);
  EXPECT_EQ(subscription->Next()->finding->finding().sequence(), 3u);
  EXPECT_FALSE(subscription->Next().has_value());
  feed.Publish({Make(4)});
  EXPECT_EQ(woken, 2);
}

TEST(FindingFeed, CountsWhatASlowWatcherMisses) {
  FindingFeed feed;
  auto subscription = feed.Subscribe({}, 2, nullptr);
  feed.Publish({Make(1), Make(2), Make(3), Make(4)});
  EXPECT_EQ(subscription->Next()->finding->finding().sequence(), 1u);
  feed.Publish({Make(5)});
  EXPECT_EQ(subscription->Next()->finding->finding().sequence(), 2u);
  auto next = subscription->Next();
  EXPECT_EQ(next->finding->finding().sequence(), 5u);
  EXPECT_EQ(next->skipped, 2u);
  feed.Publish({Make(6), Make(7), Make(8)});
  subscription->Next();
  subscription->Next();
  next = subscription->Next();
  EXPECT_EQ(next->finding, nullptr);
  EXPECT_EQ(next->skipped, 1u);
}

TEST(FindingFeed, Filters) {
  FindingFeed feed;
  v1::WatchFindingsRequest filter;
  filter.set_site("blog");
  auto by_site = feed.Subscribe(filter, 10, nullptr);
  filter.Clear();
  filter.set_kind(v1::FINDING_KIND_SCRIPT_CHANGE);
  auto by_kind = feed.Subscribe(filter, 10, nullptr);
  feed.Publish({Make(1), Make(2, "blog")});
  EXPECT_EQ(by_site->Next()->finding->finding().sequence(), 2u);
  EXPECT_FALSE(by_site->Next().has_value());
  EXPECT_FALSE(by_kind->Next().has_value());
}

TEST(FindingFeed, ForgetsAWatcherThatLeaves) {
  FindingFeed feed;
  EXPECT_FALSE(feed.HasSubscribers());
  auto subscription = feed.Subscribe({}, 10, nullptr);
  EXPECT_TRUE(feed.HasSubscribers());
  subscription.reset();
  EXPECT_FALSE(feed.HasSubscribers());
  feed.Publish({Make(1)});
}

}  // namespace
}  // namespace skimwatch::store
