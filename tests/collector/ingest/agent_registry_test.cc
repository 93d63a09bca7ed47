#include "collector/ingest/agent_registry.h"

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

TEST_F(AgentCoverage, HearsNothingBetweenHeartbeatsThatAreFarApart) {
  Heartbeat(1, kHour);
  Heartbeat(2, kHour + absl::Seconds(10));
  Heartbeat(3, kHour + absl::Seconds(30));
  Heartbeat(4, kHour + absl::Minutes(20));
  Heartbeat(5, kHour + absl::Minutes(20) + absl::Seconds(5));
  EXPECT_DOUBLE_EQ(Row(kHour, kHour).heard_seconds(), 35);
}

}  // namespace
}  // namespace skimwatch::ingest
