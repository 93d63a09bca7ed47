#include "collector/sink/feeder.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "collector/exposure/close.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/sink/sink_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/collector/sink/recorder.h"
#include "tests/collector/store/any_store.h"
#include "tests/collector/support/findings.h"
#include "tests/support/daemon.h"

namespace skimwatch::sink {
namespace {

using store::AnyStore;
using store::StoreKind;
using testing::CardFinding;
using testing::Stored;
using testing::WaitUntil;

class FeederTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  FeederTest() : store_(GetParam()) {
    config_.set_name("siem");
    config_.set_from("now");
    config_.set_exposure_interval_seconds(3600);
    config_.mutable_filter()->set_severity_min("info");
    config_.mutable_filter()->set_confidence_min("low");
  }

  // One transaction as the ingest makes it, with an exposure for each destination.
  void Commit(uint64_t first, uint64_t last, testing::CardFindingOptions options = {}) {
    const absl::Time now = absl::Now();
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      exposure::ExposureFolder folder(exposure::Rules(), &tx, now);
      for (uint64_t i = first; i <= last; ++i) {
        options.card = i;
        const v1::Finding finding = CardFinding(i, options);
        auto exposure = folder.Add(finding, v1::FINDING_KIND_CARD_NUMBER, "web-1");
        if (!exposure.ok()) return exposure.status();
        absl::Status s = tx.InsertFinding(Stored(finding, "web-1", 7, now, *exposure),
                                          v1::FINDING_KIND_CARD_NUMBER);
        if (!s.ok()) return s;
      }
      return folder.Flush();
    });
    ASSERT_TRUE(status.ok()) << status;
  }

  Feeder::Options Options(const std::string& collector = "one") {
    return {.store = store_.get(),
            .config = config_,
            .collector = collector,
            .version = "test",
            .poll = absl::Milliseconds(5),
            .save_interval = absl::Milliseconds(50),
            .beat = absl::Milliseconds(50),
            .takeover = absl::Seconds(1),
            .backoff_min = absl::Milliseconds(5),
            .backoff_max = absl::Milliseconds(50)};
  }
  std::unique_ptr<Feeder> Feed(Feeder::Options options) {
    return std::make_unique<Feeder>(std::move(options), recorder_.MakeSink());
  }
  std::unique_ptr<Feeder> Feed() { return Feed(Options()); }
  bool IsKnown() { return store_->ReadSink("siem")->term != 0; }
  bool HasAll() {
    const auto state = store_->ReadSink("siem");
    return state.ok() && state->term != 0 && state->behind == 0 && !state->oldest_unsent;
  }

  AnyStore store_;
  config::v1::Sink config_;
  Recorder recorder_;
};

INSTANTIATE_TEST_SUITE_P(Store, FeederTest, store::kAnyStore, store::StoreKindName);

TEST_P(FeederTest, SendsWhatIsCommittedFromNowOnOnceAndInOrder) {
  Commit(1, 10);
  const auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  for (uint64_t i = 11; i <= 1210; i += 100) Commit(i, i + 99);
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count(Content::kFinding) >= 1200; }));
  ASSERT_TRUE(WaitUntil([&] { return HasAll(); }));
  EXPECT_EQ(recorder_.count(Content::kFinding), 1200u);
  uint64_t next = 11;
  for (const Event& event : recorder_.events()) {
    if (event.content != Content::kFinding) continue;
    EXPECT_EQ(nlohmann::json::parse(event.body)["unmapped"]["sequence"], next++);
  }
}

TEST_P(FeederTest, BeginsWithTheFirstCommitWhereItIsAskedTo) {
  Commit(1, 700);
  config_.set_from("beginning");
  const auto feeder = Feed();
  EXPECT_TRUE(WaitUntil(
      [&] { return recorder_.ids().size() == 701 && recorder_.count(Content::kExposure) == 1; }));
}

TEST_P(FeederTest, GoesOnWhereItWasAfterARestart) {
  auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  Commit(1, 50);
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count(Content::kFinding) == 50; }));
  feeder.reset();
  Commit(51, 100);
  feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count(Content::kFinding) == 100; }));
  EXPECT_EQ(recorder_.ids().size(), recorder_.count());
}

TEST_P(FeederTest, OfTwoCollectorsFeedsFromOneAndFromTheOtherAfterIt) {
  auto one = Feed(Options("one"));
  ASSERT_TRUE(WaitUntil([&] { return one->counters().active.load(); }));
  auto two = Feed(Options("two"));
  for (uint64_t i = 1; i <= 20; ++i) Commit(i, i);
  ASSERT_TRUE(WaitUntil([&] { return HasAll(); }));
  // Longer than a takeover would take.
  EXPECT_FALSE(WaitUntil([&] { return two->counters().active.load(); }, absl::Seconds(2)));
  EXPECT_EQ(two->counters().findings_sent, 0u);
  one.reset();
  for (uint64_t i = 21; i <= 40; ++i) Commit(i, i);
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count(Content::kFinding) >= 40 && HasAll(); }));
  EXPECT_GE(two->counters().findings_sent, 20u);
  EXPECT_EQ(recorder_.count(), recorder_.ids().size());
}

TEST_P(FeederTest, TakesOverFromACollectorThatGivesNoSignOfLife) {
  Recorder stuck;
  absl::Notification release;
  stuck.SetAnswer([&](absl::Span<const Event>) {
    release.WaitForNotification();
    return Outcome{.taken = 0, .failure = Failure{.reason = Reason::kTimeout}};
  });
  auto options = Options("stuck");
  options.beat = absl::Hours(1);
  auto one = std::make_unique<Feeder>(options, stuck.MakeSink());
  ASSERT_TRUE(WaitUntil([&] { return one->counters().active.load(); }));
  Commit(1, 5);
  auto two = Feed(Options("two"));
  EXPECT_TRUE(WaitUntil([&] { return recorder_.count(Content::kFinding) == 5; }));
  EXPECT_EQ(store_->ReadSink("siem")->holder, "two");
  release.Notify();
  one.reset();
  // It had nothing to say any more.
  EXPECT_EQ(store_->ReadSink("siem")->holder, "two");
}

TEST_P(FeederTest, SetsAsideWhatIsRefusedAgainAndAgainAndGoesOn) {
  auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  std::atomic<int> tries = 0;
  recorder_.SetAnswer([&](absl::Span<const Event> events) {
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i].body.find("\"sequence\":3,") == std::string::npos) continue;
      ++tries;
      return Outcome{.taken = i, .failure = Failure{.reason = Reason::kRefused, .text = "400"}};
    }
    return Outcome{.taken = events.size()};
  });
  Commit(1, 5);
  ASSERT_TRUE(WaitUntil([&] { return HasAll(); }));
  EXPECT_EQ(recorder_.count(Content::kFinding), 4u);
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(store_->ReadSink("siem")->set_aside, 1u);
}

TEST_P(FeederTest, TriesForEverWhatIsNotRefused) {
  auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  std::atomic<int> tries = 0;
  recorder_.SetAnswer([&](absl::Span<const Event> events) {
    if (++tries < 12) {
      // Longer than it waits at most.
      return Outcome{.taken = 0,
                     .failure = Failure{.reason = Reason::kServer, .retry_after = absl::Hours(1)}};
    }
    return Outcome{.taken = events.size()};
  });
  Commit(1, 1);
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count(Content::kFinding) == 1; }));
  EXPECT_EQ(feeder->counters().failures[static_cast<size_t>(Reason::kServer)], 11u);
  EXPECT_EQ(store_->ReadSink("siem")->set_aside, 0u);
}

TEST_P(FeederTest, FiltersAndCountsWhatItLeavesOut) {
  config_.mutable_filter()->add_sites("shop");
  config_.mutable_filter()->set_severity_min("high");
  config_.add_content("findings");
  auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  Commit(1, 2);
  Commit(3, 5, {.site = "blog"});
  Commit(6, 9, {.severity = v1::SEVERITY_LOW});
  Commit(10, 10, {.expected = true});
  ASSERT_TRUE(WaitUntil([&] { return HasAll(); }));
  EXPECT_EQ(recorder_.count(), 2u);
  EXPECT_EQ(feeder->counters().findings_filtered, 8u);
}

TEST_P(FeederTest, SendsAnExposureAtOnceWhenItOpensOrClosesAndSeldomWhileItGrows) {
  config_.add_content("exposures");
  auto options = Options();
  absl::Mutex mutex;
  absl::Duration ahead;
  options.now = [&] {
    absl::MutexLock lock(&mutex);
    return absl::Now() + ahead;
  };
  auto feeder = Feed(options);
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  Commit(1, 1);
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count() == 1; }));
  for (uint64_t i = 2; i <= 30; ++i) Commit(i, i);
  ASSERT_TRUE(WaitUntil([&] { return HasAll(); }));
  EXPECT_EQ(recorder_.count(), 1u);
  {
    absl::MutexLock lock(&mutex);
    ahead = absl::Hours(2);
  }
  // What was held back comes by itself.
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count() == 2; }));
  const auto grown = nlohmann::json::parse(recorder_.events()[1].body);
  EXPECT_EQ(grown["activity_name"], "Update");
  EXPECT_EQ(grown["evidences"][0]["data"]["distinct_cards"], 30);
  v1::CloseExposureRequest request;
  request.set_id(store_->ListExposures({})->exposures(0).id());
  request.set_reason("mended");
  ASSERT_TRUE(exposure::Close(*store_, request, "alice", absl::Now()).ok());
  ASSERT_TRUE(WaitUntil([&] { return recorder_.count() == 3; }));
  EXPECT_EQ(nlohmann::json::parse(recorder_.events()[2].body)["activity_name"], "Close");
  EXPECT_EQ(recorder_.ids().size(), 3u);
}

TEST_P(FeederTest, CountsWhatRetentionDeletedBeforeItWasSent) {
  auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  feeder.reset();
  Commit(1, 40);
  // Whole days go with PostgreSQL.
  ASSERT_TRUE(store_->DeleteFindingsBefore(absl::Now() + absl::Hours(48), 1000).ok());
  EXPECT_EQ(store_->ReadSink("siem")->missed, 40u);
  const SinkMetrics metrics(store_.get(), {}, absl::Now);
  EXPECT_FALSE(metrics.Collect().empty());
  Commit(41, 45);
  feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return HasAll(); }));
  EXPECT_EQ(recorder_.count(Content::kFinding), 5u);
  EXPECT_EQ(store_->ReadSink("siem")->missed, 40u);
  // The exposure was told of all the same.
  EXPECT_EQ(recorder_.count(Content::kExposure), 1u);
}

TEST_P(FeederTest, LagsAloneWhileItsSinkStandsStill) {
  constexpr uint64_t kCommits = 60;
  constexpr uint64_t kPerCommit = 50;
  uint64_t next = 1;
  const auto commit_all = [&] {
    const absl::Time started = absl::Now();
    for (uint64_t i = 0; i < kCommits; ++i, next += kPerCommit) {
      Commit(next, next + kPerCommit - 1);
    }
    return absl::Now() - started;
  };
  const absl::Duration alone = commit_all();
  absl::Notification release;
  recorder_.SetAnswer([&](absl::Span<const Event> events) {
    release.WaitForNotification();
    return Outcome{.taken = events.size()};
  });
  auto feeder = Feed();
  ASSERT_TRUE(WaitUntil([&] { return IsKnown(); }));
  const absl::Duration beside = commit_all();
  const auto state = store_->ReadSink("siem");
  EXPECT_GT(state->behind, kCommits * kPerCommit - 600);
  EXPECT_TRUE(state->oldest_unsent.has_value());
  // Bounded loosely: other tests run at the same time.
  EXPECT_LT(beside, 4 * alone + absl::Seconds(1));
  RecordProperty("beside_to_alone_percent",
                 static_cast<int>(100 * absl::FDivDuration(beside, alone)));
  release.Notify();
  EXPECT_TRUE(WaitUntil([&] { return HasAll(); }));
  EXPECT_EQ(recorder_.count(Content::kFinding), kCommits * kPerCommit);
}

}  // namespace
}  // namespace skimwatch::sink
