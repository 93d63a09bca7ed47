#include "collector/ingest/agent_registry.h"

#include <optional>

#include "collector/store/timestamp.h"
#include "gtest/gtest.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::ingest {
namespace {

constexpr absl::Time kHour = absl::FromUnixSeconds(1'699'999'200);

class AgentCoverage : public ::testing::Test {
 protected:
  void Heartbeat(uint64_t scanned, absl::Time at) {
    v1::Heartbeat heartbeat;
    heartbeat.mutable_coverage()->set_seen_bytes(scanned);
    heartbeat.mutable_coverage()->set_scanned_bytes(scanned);
    agents_.Heartbeat("web-1", heartbeat, at);
    ASSERT_TRUE(agents_.Flush(*store_).ok());
  }
  // A connection, which is followed by a heartbeat at once.
  void Connect(uint64_t scanned, absl::Time at) {
    agents_.Connected("web-1", v1::Hello(), std::nullopt, at);
    Heartbeat(scanned, at);
  }
  void Disconnect(absl::Time at) {
    agents_.Disconnected("web-1", at);
    ASSERT_TRUE(agents_.Flush(*store_).ok());
  }
  v1::AgentCoverage Row(absl::Time since, absl::Time until) {
    const auto rows = store_->ListCoverage(since, until);
    EXPECT_TRUE(rows.ok() && rows->size() == 1) << rows.status();
    return rows.ok() && rows->size() == 1 ? rows->front() : v1::AgentCoverage();
  }

  testing::TempStore store_;
  AgentRegistry agents_{absl::Seconds(30)};
};

TEST_F(AgentCoverage, OfAnHourIsWhatCameSinceTheHourBefore) {
  Heartbeat(100, kHour + absl::Minutes(59));
  Heartbeat(150, kHour + absl::Minutes(60));
  Heartbeat(170, kHour + absl::Minutes(60) + absl::Seconds(10));
  EXPECT_EQ(Row(kHour, kHour).coverage().scanned_bytes(), 100u);
  EXPECT_EQ(Row(kHour + absl::Hours(1), kHour + absl::Hours(1)).coverage().scanned_bytes(), 70u);
}

TEST_F(AgentCoverage, GoesOnWhenTheAgentStartsAnew) {
  Heartbeat(1000, kHour);
  Heartbeat(30, kHour + absl::Seconds(10));
  Heartbeat(50, kHour + absl::Seconds(20));
  EXPECT_EQ(Row(kHour, kHour).coverage().scanned_bytes(), 1050u);
}

TEST(AgentRegistry, KeepsWhenPagesWereLookedAtUntilTheAgentSaysOtherwise) {
  testing::TempStore store;
  AgentRegistry agents(absl::Seconds(30));
  v1::Heartbeat heartbeat;
  for (const char* const name : {"checkout", "cart"}) heartbeat.add_pages()->set_name(name);
  heartbeat.mutable_pages(0)->mutable_last_whole_look()->set_seconds(77);
  const auto kept = [&] {
    EXPECT_TRUE(agents.Flush(*store).ok());
    return store->ListAgents({})->agents(0).pages();
  };
  agents.Heartbeat("web-1", heartbeat, kHour);
  EXPECT_EQ(kept().size(), 2);
  agents.Disconnected("web-1", kHour + absl::Seconds(1));
  agents.Connected("web-1", v1::Hello(), std::nullopt, kHour + absl::Seconds(2));
  EXPECT_EQ(kept().size(), 2);
  EXPECT_EQ(kept()[0].last_whole_look().seconds(), 77);
  // Cart is no longer configured.
  heartbeat.mutable_pages()->RemoveLast();
  agents.Heartbeat("web-1", heartbeat, kHour + absl::Seconds(3));
  EXPECT_EQ(kept().size(), 1);
}

TEST_F(AgentCoverage, HearsNothingBetweenHeartbeatsThatAreFarApart) {
  Heartbeat(1, kHour);
  Heartbeat(2, kHour + absl::Seconds(10));
  Heartbeat(3, kHour + absl::Seconds(30));
  Heartbeat(4, kHour + absl::Minutes(20));
  Heartbeat(5, kHour + absl::Minutes(20) + absl::Seconds(5));
  EXPECT_DOUBLE_EQ(Row(kHour, kHour).heard_seconds(), 35);
}

TEST_F(AgentCoverage, CountsOnceWhatTheEstimateOfDropsWentBackBy) {
  const auto beat = [&](uint64_t scanned, uint64_t dropped, absl::Time at) {
    v1::Heartbeat heartbeat;
    heartbeat.mutable_coverage()->set_seen_bytes(scanned + dropped);
    heartbeat.mutable_coverage()->set_scanned_bytes(scanned);
    heartbeat.mutable_coverage()->set_shed_bytes(dropped);
    agents_.Heartbeat("web-1", heartbeat, at);
    ASSERT_TRUE(agents_.Flush(*store_).ok());
  };
  beat(1000, 500, kHour);
  beat(1010, 400, kHour + absl::Seconds(10));
  const v1::Coverage coverage = Row(kHour, kHour).coverage();
  EXPECT_EQ(coverage.scanned_bytes(), 1010u);
  EXPECT_EQ(coverage.shed_bytes(), 500u);
  EXPECT_EQ(coverage.seen_bytes(), 1500u);
}

TEST_F(AgentCoverage, HearsNothingWhileTheAgentWasDown) {
  Connect(0, kHour);
  Heartbeat(1000, kHour + absl::Seconds(10));
  Disconnect(kHour + absl::Seconds(12));
  Connect(0, kHour + absl::Seconds(37));
  Heartbeat(100, kHour + absl::Seconds(47));
  EXPECT_DOUBLE_EQ(Row(kHour, kHour).heard_seconds(), 20);
  EXPECT_EQ(Row(kHour, kHour).coverage().scanned_bytes(), 1100u);
}

TEST_F(AgentCoverage, LeavesOutWhatAnotherCollectorHasWrittenANewerHeartbeatOf) {
  Heartbeat(1000, kHour);
  // The agent moves to a collector that is quicker to write.
  v1::Heartbeat heartbeat;
  heartbeat.mutable_coverage()->set_seen_bytes(1100);
  heartbeat.mutable_coverage()->set_scanned_bytes(1100);
  agents_.Heartbeat("web-1", heartbeat, kHour + absl::Seconds(10));
  agents_.Disconnected("web-1", kHour + absl::Seconds(13));
  AgentRegistry others{absl::Seconds(30)};
  heartbeat.mutable_coverage()->set_seen_bytes(1200);
  heartbeat.mutable_coverage()->set_scanned_bytes(1200);
  others.Heartbeat("web-1", heartbeat, kHour + absl::Seconds(12));
  ASSERT_TRUE(others.Flush(*store_).ok());
  ASSERT_TRUE(agents_.Flush(*store_).ok());
  EXPECT_EQ(Row(kHour, kHour).coverage().scanned_bytes(), 1200u);
  EXPECT_EQ(store_->ListAgents({})->agents(0).coverage().scanned_bytes(), 1200u);
  EXPECT_EQ(store::FromTimestamp(store_->ListAgents({})->agents(0).last_seen()),
            kHour + absl::Seconds(13));
}

TEST_F(AgentCoverage, GoesOnAfterTheClockWasSetBack) {
  Heartbeat(1000, kHour + absl::Hours(1));
  Heartbeat(1100, kHour);
  EXPECT_EQ(Row(kHour, kHour).coverage().scanned_bytes(), 100u);
  EXPECT_EQ(store::FromTimestamp(store_->ListAgents({})->agents(0).last_seen()), kHour);
}

TEST_F(AgentCoverage, HearsAnAgentThatWentOnWithoutAConnection) {
  Connect(0, kHour);
  Heartbeat(1000, kHour + absl::Seconds(10));
  Disconnect(kHour + absl::Seconds(12));
  Connect(1100, kHour + absl::Seconds(14));
  EXPECT_DOUBLE_EQ(Row(kHour, kHour).heard_seconds(), 12);
  EXPECT_EQ(Row(kHour, kHour).coverage().scanned_bytes(), 1100u);
}

}  // namespace
}  // namespace skimwatch::ingest
