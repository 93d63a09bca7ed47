#include <string>

#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "tests/collector/store/any_store.h"

namespace skimwatch::store {
namespace {

constexpr absl::Time kHour = absl::FromUnixSeconds(1'699'999'200);  // a whole hour

class Coverage : public ::testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    for (const char* const name : {"web-1", "web-2"}) {
      ASSERT_TRUE(store_
                      ->Write([&](Transaction& tx) {
                        v1::Agent agent;
                        agent.set_identity(name);
                        return tx.PutAgent(agent);
                      })
                      .ok());
    }
  }

  void Add(const std::string& agent, absl::Time at, uint64_t scanned, double heard = 10) {
    v1::AgentCoverage more;
    more.set_agent(agent);
    more.set_heard_seconds(heard);
    more.mutable_coverage()->set_seen_bytes(scanned + 1);
    more.mutable_coverage()->set_scanned_bytes(scanned);
    more.mutable_coverage()->set_shed_bytes(1);
    (*more.mutable_coverage()->mutable_by_reason_bytes())["shed.queue_full"] = 1;
    ASSERT_TRUE(store_->Write([&](Transaction& tx) { return tx.AddCoverage(more, at); }).ok());
  }

  AnyStore store_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Store, Coverage, kAnyStore, StoreKindName);

TEST_P(Coverage, IsAddedUpOverTheHoursThatAreAskedFor) {
  Add("web-1", kHour, 100);
  Add("web-1", kHour + absl::Minutes(59), 20);
  Add("web-1", kHour + absl::Minutes(60), 3);
  Add("web-2", kHour + absl::Hours(5), 1000);
  auto rows = store_->ListCoverage(kHour + absl::Minutes(10), kHour + absl::Minutes(20));
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().agent(), "web-1");
  EXPECT_EQ(rows->front().coverage().scanned_bytes(), 120u);
  EXPECT_EQ(rows->front().coverage().seen_bytes(), 122u);
  EXPECT_EQ(rows->front().coverage().by_reason_bytes().at("shed.queue_full"), 2u);
  EXPECT_DOUBLE_EQ(rows->front().heard_seconds(), 20);

  rows = store_->ListCoverage(kHour, kHour + absl::Hours(5));
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ(rows->front().coverage().scanned_bytes(), 123u);
  EXPECT_EQ(rows->back().coverage().scanned_bytes(), 1000u);
}

TEST_P(Coverage, NamesFindingsThatWereLostMeanwhile) {
  ASSERT_TRUE(store_
                  ->Write([&](Transaction& tx) {
                    absl::Status status =
                        tx.RecordLost("web-1", 7, 5, 9, "no room", kHour + absl::Minutes(1));
                    if (!status.ok()) return status;
                    return tx.RecordLost("web-1", 7, 20, 20, "no room", kHour + absl::Hours(3));
                  })
                  .ok());
  const auto rows = store_->ListCoverage(kHour, kHour + absl::Minutes(5));
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().lost_findings(), 5u);
}

TEST_P(Coverage, GoesWithTheFindingsOfItsTime) {
  Add("web-1", kHour, 1);
  Add("web-1", kHour + absl::Hours(1), 2);
  Add("web-1", kHour + absl::Hours(2), 4);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(store_->DeleteFindingsBefore(kHour + absl::Hours(2), 10).ok());
  }
  const auto rows = store_->ListCoverage(kHour, kHour + absl::Hours(9));
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().coverage().scanned_bytes(), 4u);
}

}  // namespace
}  // namespace skimwatch::store
