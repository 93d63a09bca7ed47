#include "collector/ingest/committer.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::ingest {
namespace {

using testing::CardFinding;

class CommitterTest : public ::testing::Test {
 protected:
  explicit CommitterTest(store::Options options = {}) : store_(std::move(options)) {}

  Committer::Options Options() {
    return {.store = store_.get(),
            .feed = &feed_,
            .stats = &stats_,
            .health = &health_,
            .delay = absl::Milliseconds(1)};
  }

  static CommitRequest Request(const std::string& agent, uint64_t first, uint64_t last) {
    CommitRequest request = {.agent = agent, .epoch = 5, .range = {first, last}, .bytes = 300};
    for (uint64_t i = first; i <= last; ++i) {
      v1::StoredFinding& stored = request.findings.emplace_back();
      *stored.mutable_finding() = CardFinding(i, {.card = i});
      stored.set_agent(agent);
      stored.set_epoch(5);
    }
    return request;
  }

  // Commits one request and waits.
  absl::StatusOr<uint64_t> Commit(Committer& committer, CommitRequest request) {
    absl::StatusOr<uint64_t> result = uint64_t{0};
    absl::Notification done;
    request.done = [&](absl::StatusOr<uint64_t> committed) {
      result = std::move(committed);
      done.Notify();
    };
    committer.Enqueue(std::move(request));
    done.WaitForNotification();
    return result;
  }

  uint64_t StoredCount() {
    uint64_t count = 0;
    // Held, since a range that is part of a temporary would outlive it.
    const absl::StatusOr<store::Summary> summary = store_->Summarize();
    for (const auto& total : summary->finding_totals) count += total.findings;
    return count;
  }

  testing::TempStore store_;
  store::FindingFeed feed_;
  IngestStats stats_;
  StoreHealth health_;
};

TEST_F(CommitterTest, CommitsManyAgentsAtOnceAndEachOnce) {
  Committer::Options options = Options();
  options.delay = absl::Milliseconds(50);
  {
    Committer committer(options);
    for (int agent = 0; agent < 20; ++agent) {
      committer.Enqueue(Request("agent-" + std::to_string(agent), 1, 10));
      committer.Enqueue(Request("agent-" + std::to_string(agent), 11, 20));
      committer.Enqueue(Request("agent-" + std::to_string(agent), 1, 20));
    }
  }
  EXPECT_EQ(StoredCount(), 400u);
  EXPECT_EQ(stats_.findings_stored, 400u);
  EXPECT_EQ(stats_.findings_duplicate, 400u);
  EXPECT_EQ(stats_.batches_committed, 40u);
  EXPECT_EQ(stats_.batches_duplicate, 20u);
  uint64_t commits = 0;
  for (size_t i = 0; i <= kCommitBounds.size(); ++i) commits += stats_.commit_seconds.count(i);
  EXPECT_LT(commits, 20u);
  EXPECT_EQ(store_->GetExposure(1)->exposure().distinct_cards(), 20u);
}

TEST_F(CommitterTest, RefusesWhatDoesNotFollow) {
  Committer committer(Options());
  EXPECT_EQ(*Commit(committer, Request("a", 1, 3)), 3u);
  EXPECT_EQ(Commit(committer, Request("a", 5, 6)).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(*Commit(committer, Request("a", 2, 6)), 6u);
  EXPECT_EQ(StoredCount(), 6u);
  EXPECT_EQ(stats_.batches_rejected, 1u);
}

TEST_F(CommitterTest, LostRangesAdvanceAndAreRecordedOnce) {
  Committer committer(Options());
  CommitRequest request = {.agent = "a", .epoch = 5, .range = {1, 100}};
  v1::LostRange lost;
  lost.set_first_sequence(1);
  lost.set_last_sequence(100);
  lost.set_reason("spool_full");
  request.lost = {lost};
  EXPECT_EQ(*Commit(committer, request), 100u);
  lost.set_first_sequence(90);
  lost.set_last_sequence(110);
  request.range = {90, 110};
  request.lost = {lost};
  EXPECT_EQ(*Commit(committer, request), 110u);
  EXPECT_EQ(store_->Summarize()->lost_findings, 110u);
  EXPECT_EQ(stats_.findings_lost, 110u);
}

TEST_F(CommitterTest, PublishesOnlyWhatWasCommittedAndOnlyOnce) {
  auto subscription = feed_.Subscribe({}, 100, nullptr);
  {
    Committer committer(Options());
    EXPECT_TRUE(Commit(committer, Request("a", 1, 3)).ok());
    EXPECT_TRUE(Commit(committer, Request("a", 2, 4)).ok());
    EXPECT_FALSE(Commit(committer, Request("a", 9, 9)).ok());
  }
  std::vector<uint64_t> sequences;
  while (auto item = subscription->Next()) {
    sequences.push_back(item->finding->finding().sequence());
    EXPECT_GT(item->finding->exposure_id(), 0u);
    EXPECT_TRUE(item->finding->has_stored_at());
  }
  EXPECT_THAT(sequences, ::testing::ElementsAre(1, 2, 3, 4));
}

TEST_F(CommitterTest, WaitersResumeWhenThereIsRoom) {
  Committer::Options options = Options();
  options.queue_bytes_max = 500;
  options.delay = absl::Milliseconds(100);
  Committer committer(options);
  bool at_once = false;
  committer.WhenRoom([&] { at_once = true; });
  EXPECT_TRUE(at_once);
  committer.Enqueue(Request("a", 1, 1));
  committer.Enqueue(Request("a", 2, 2));
  absl::Notification resumed;
  committer.WhenRoom([&] { resumed.Notify(); });
  EXPECT_FALSE(resumed.HasBeenNotified());
  EXPECT_TRUE(resumed.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

class FullStoreTest : public CommitterTest {
 protected:
  FullStoreTest() : CommitterTest(store::Options{.bytes_max = 600 << 10}) {}
};

TEST_F(FullStoreTest, AFullStoreIsSaidAndCountedAndNothingIsAcknowledged) {
  Committer committer(Options());
  uint64_t committed = 0;
  absl::StatusOr<uint64_t> result = uint64_t{0};
  for (int i = 0; i < 100; ++i) {
    result = Commit(committer, Request("a", committed + 1, committed + 200));
    if (!result.ok()) break;
    committed = *result;
  }
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(health_.Get().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(stats_.batches_error, 1u);
  EXPECT_EQ(*store_->CommittedSequence("a", 5), committed);
  EXPECT_EQ(StoredCount(), committed);
}

}  // namespace
}  // namespace skimwatch::ingest
