#include <string>

#include "collector/store/store.h"
#include "collector/store/timestamp.h"
#include "gtest/gtest.h"
#include "tests/collector/store/any_store.h"

namespace skimwatch::store {
namespace {

constexpr absl::Time kHour = absl::FromUnixSeconds(1'699'999'200);  // a whole hour

class Timelines : public ::testing::TestWithParam<StoreKind> {
 protected:
  uint64_t Open(v1::Severity severity = v1::SEVERITY_HIGH) {
    v1::Exposure exposure;
    exposure.set_site("shop");
    exposure.set_kind(v1::FINDING_KIND_CARD_NUMBER);
    exposure.set_channel("POST /collect");
    exposure.set_destination("evil.example");
    exposure.set_state(v1::Exposure::STATE_OPEN);
    exposure.set_severity(severity);
    uint64_t id = 0;
    Write([&](Transaction& tx) -> absl::Status {
      auto inserted = tx.InsertExposure(exposure, kHour);
      if (inserted.ok()) id = *inserted;
      return inserted.status();
    });
    return id;
  }
  void Close(uint64_t id) {
    Write([&](Transaction& tx) -> absl::Status {
      auto exposure = tx.GetExposure(id);
      if (!exposure.ok()) return exposure.status();
      exposure->set_state(v1::Exposure::STATE_CLOSED);
      return tx.UpdateExposure(*exposure, kHour);
    });
  }
  void Grow(uint64_t id, absl::Time at, uint64_t occurrences, uint64_t cards) {
    v1::ExposureGrowth more;
    *more.mutable_start() = ToTimestamp(at);
    more.set_findings(1);
    more.set_occurrences(occurrences);
    more.set_new_cards(cards);
    Write([&](Transaction& tx) { return tx.AddGrowth(id, more); });
  }
  void Write(absl::FunctionRef<absl::Status(Transaction&)> work) {
    const absl::Status status = store_->Write(work);
    ASSERT_TRUE(status.ok()) << status;
  }

  AnyStore store_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Store, Timelines, kAnyStore, StoreKindName);

TEST_P(Timelines, GrowthIsAddedUpByTheHourInOrder) {
  const uint64_t id = Open();
  Grow(id, kHour + absl::Hours(3), 5, 1);
  Grow(id, kHour, 2, 2);
  Grow(id, kHour + absl::Minutes(10), 3, 0);
  Grow(id + 100, kHour, 7, 7);
  auto growth = store_->ListGrowth(id);
  ASSERT_TRUE(growth.ok()) << growth.status();
  ASSERT_EQ(growth->size(), 2u);
  EXPECT_EQ(FromTimestamp(growth->at(0).start()), kHour);
  EXPECT_EQ(growth->at(0).findings(), 2u);
  EXPECT_EQ(growth->at(0).occurrences(), 5u);
  EXPECT_EQ(growth->at(0).new_cards(), 2u);
  EXPECT_EQ(FromTimestamp(growth->at(1).start()), kHour + absl::Hours(3));
}

TEST_P(Timelines, GrowthDoesNotOverflow) {
  const uint64_t id = Open();
  Grow(id, kHour, UINT64_MAX, 1);
  Grow(id, kHour, UINT64_MAX, 1);
  auto growth = store_->ListGrowth(id);
  ASSERT_TRUE(growth.ok()) << growth.status();
  EXPECT_EQ(growth->at(0).occurrences(), 9'000'000'000'000'000'000u);
}

TEST_P(Timelines, ExposuresOfOneWayAreNewestFirst) {
  const uint64_t first = Open();
  Close(first);
  const uint64_t second = Open();
  auto of_way = store_->ListExposuresOfWay({.site = "shop",
                                            .kind = v1::FINDING_KIND_CARD_NUMBER,
                                            .channel = "POST /collect",
                                            .destination = "evil.example"});
  ASSERT_TRUE(of_way.ok()) << of_way.status();
  ASSERT_EQ(of_way->size(), 2u);
  EXPECT_EQ(of_way->at(0).id(), second);
  EXPECT_EQ(of_way->at(1).id(), first);
  EXPECT_TRUE(store_->ListExposuresOfWay({.site = "shop"})->empty());
}

TEST_P(Timelines, ExposuresAreListedFromASeverityOn) {
  const uint64_t low = Open(v1::SEVERITY_LOW);
  Close(low);
  const uint64_t critical = Open(v1::SEVERITY_CRITICAL);
  v1::ListExposuresRequest request;
  request.set_severity_min(v1::SEVERITY_HIGH);
  auto page = store_->ListExposures(request);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->exposures_size(), 1);
  EXPECT_EQ(page->exposures(0).id(), critical);
}

TEST_P(Timelines, CoverageIsToldByTheHourOfOneAgent) {
  for (const char* const name : {"web-1", "web-2"}) {
    Write([&](Transaction& tx) {
      v1::Agent agent;
      agent.set_identity(name);
      return tx.PutAgent(agent);
    });
    for (int hour = 0; hour < 3; ++hour) {
      v1::AgentCoverage more;
      more.set_agent(name);
      more.set_heard_seconds(10 + hour);
      Write([&](Transaction& tx) { return tx.AddCoverage(more, kHour + absl::Hours(hour)); });
    }
  }
  auto hours = store_->ListCoverageHours("web-1", kHour + absl::Hours(1), kHour + absl::Hours(9));
  ASSERT_TRUE(hours.ok()) << hours.status();
  ASSERT_EQ(hours->size(), 2u);
  EXPECT_EQ(hours->at(0).start, kHour + absl::Hours(1));
  EXPECT_EQ(hours->at(0).coverage.agent(), "web-1");
  EXPECT_DOUBLE_EQ(hours->at(0).coverage.heard_seconds(), 11);
  EXPECT_TRUE(store_->ListCoverageHours("nobody", kHour, kHour + absl::Hours(9))->empty());
}

TEST_P(Timelines, DecisionsAreListedFromEitherEnd) {
  for (int i = 1; i <= 5; ++i) {
    Write([&](Transaction& tx) {
      return tx.RecordDecision({.at = kHour,
                                .who = "ann",
                                .action = "exposure.note",
                                .subject = i % 2 == 0 ? "even" : "odd",
                                .reason = std::to_string(i)});
    });
  }
  v1::ListDecisionsRequest request;
  request.set_newest_first(true);
  request.set_page_size(2);
  std::string ids;
  while (true) {
    auto page = store_->ListDecisions(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Decision& decision : page->decisions()) ids += std::to_string(decision.id());
    if (page->next_page_token().empty()) break;
    request.set_page_token(page->next_page_token());
  }
  EXPECT_EQ(ids, "54321");
  request.clear_page_token();
  request.set_subject("even");
  auto page = store_->ListDecisions(request);
  ASSERT_EQ(page->decisions_size(), 2);
  EXPECT_EQ(page->decisions(0).id(), 4u);
}

}  // namespace
}  // namespace skimwatch::store
