#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::api {
namespace {

using skimwatch::testing::CardFinding;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::ScriptFinding;
using skimwatch::testing::Stored;

struct Watch {
  explicit Watch(v1::QueryService::Stub& stub, const v1::WatchFindingsRequest& request = {}) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    reader = stub.WatchFindings(&context, request);
  }
  bool Next() { return reader->Read(&response); }

  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::WatchFindingsResponse>> reader;
  v1::WatchFindingsResponse response;
};

TEST(WatchFindings, SaysThatItStandsAndThenShowsWhatIsCommitted) {
  OperatorServer server;
  auto stub = v1::QueryService::NewStub(server.Channel("viewer"));
  Watch watch(*stub);
  ASSERT_TRUE(watch.Next());
  EXPECT_FALSE(watch.response.has_finding());
  for (uint64_t card = 1; card <= 200; ++card) server.Add(CardFinding(card, {.card = card}));
  for (uint64_t sequence = 1; sequence <= 200; ++sequence) {
    ASSERT_TRUE(watch.Next());
    EXPECT_EQ(watch.response.finding().finding().sequence(), sequence);
    EXPECT_EQ(watch.response.skipped(), 0u);
  }
}

TEST(WatchFindings, ShowsOnlyWhatWasAskedFor) {
  OperatorServer server;
  auto stub = v1::QueryService::NewStub(server.Channel("viewer"));
  v1::WatchFindingsRequest request;
  request.set_kind(v1::FINDING_KIND_CARD_NUMBER);
  request.set_confidence_min(v1::CONFIDENCE_HIGH);
  Watch watch(*stub, request);
  ASSERT_TRUE(watch.Next());
  server.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  server.Add(CardFinding(2, {.confidence = v1::CONFIDENCE_LOW}));
  server.Add(CardFinding(3));
  ASSERT_TRUE(watch.Next());
  EXPECT_EQ(watch.response.finding().finding().sequence(), 3u);
}

TEST(WatchFindings, ShowsFingerprintsToWhoMayAskAfterACard) {
  OperatorServer server;
  for (const bool is_approver : {false, true}) {
    auto stub = v1::QueryService::NewStub(server.Channel(is_approver ? "approver" : "viewer"));
    Watch watch(*stub);
    ASSERT_TRUE(watch.Next());
    server.Add(CardFinding(is_approver ? 2 : 1));
    ASSERT_TRUE(watch.Next());
    const v1::Card& card = watch.response.finding().finding().card_number().card();
    EXPECT_NE(card.masked(), "");
    EXPECT_EQ(!card.fingerprint().empty(), is_approver);
  }
}

TEST(WatchFindings, NeverHoldsUpThePublisherAndCountsWhatAWatcherMissed) {
  OperatorServer server;
  auto stub = v1::QueryService::NewStub(server.Channel("viewer"));
  Watch watch(*stub);
  ASSERT_TRUE(watch.Next());
  // Far more than the queue and the connection hold, while the watcher reads nothing.
  constexpr uint64_t kFindings = 60'000;
  std::vector<std::shared_ptr<const v1::StoredFinding>> batch;
  uint64_t published = 0;
  while (published < kFindings) {
    batch.clear();
    for (int i = 0; i < 1000; ++i) {
      batch.push_back(std::make_shared<v1::StoredFinding>(
          Stored(CardFinding(++published), "web-1", 1, absl::Now())));
    }
    server.feed().Publish(batch);
  }
  uint64_t seen = 0;
  uint64_t skipped = 0;
  while (seen + skipped < kFindings) {
    ASSERT_TRUE(watch.Next());
    skipped += watch.response.skipped();
    if (!watch.response.has_finding()) continue;
    ++seen;
    EXPECT_EQ(watch.response.finding().finding().sequence(), seen + skipped);
  }
  EXPECT_EQ(seen + skipped, kFindings);
  EXPECT_GT(skipped, 0u);
}

TEST(WatchFindings, EndsWhenTheCallerHangsUp) {
  OperatorServer server;
  auto stub = v1::QueryService::NewStub(server.Channel("viewer"));
  {
    Watch watch(*stub);
    ASSERT_TRUE(watch.Next());
    EXPECT_TRUE(server.feed().HasSubscribers());
    watch.context.TryCancel();
    EXPECT_FALSE(watch.Next());
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (server.feed().HasSubscribers() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_FALSE(server.feed().HasSubscribers());
}

TEST(WatchFindings, EndsWithTheServer) {
  auto server = std::make_unique<OperatorServer>();
  auto stub = v1::QueryService::NewStub(server->Channel("viewer"));
  Watch watch(*stub);
  ASSERT_TRUE(watch.Next());
  server.reset();
  EXPECT_FALSE(watch.Next());
  EXPECT_FALSE(watch.reader->Finish().ok());
}

TEST(WatchFindings, RefusesMoreWatchersThanItsLimit) {
  OperatorServer server;
  auto stub = v1::QueryService::NewStub(server.Channel("viewer"));
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 64; ++i) {
    watches.push_back(std::make_unique<Watch>(*stub));
    ASSERT_TRUE(watches.back()->Next()) << i;
  }
  Watch one_too_many(*stub);
  EXPECT_FALSE(one_too_many.Next());
  EXPECT_EQ(one_too_many.reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  watches.pop_back();
  // The place is free again a moment after the caller hung up.
  bool stands = false;
  for (int i = 0; i < 100 && !stands; ++i) {
    Watch again(*stub);
    stands = again.Next();
    if (!stands) absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_TRUE(stands);
}

}  // namespace
}  // namespace skimwatch::api
