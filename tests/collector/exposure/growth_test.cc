#include <vector>

#include "collector/exposure/exposure_folder.h"
#include "collector/store/timestamp.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::exposure {
namespace {

using testing::CardFinding;

constexpr absl::Time kHour = absl::FromUnixSeconds(1'699'999'200);  // a whole hour

class Growth : public ::testing::Test {
 protected:
  uint64_t Add(const std::vector<v1::Finding>& findings, absl::Time now) {
    uint64_t id = 0;
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      ExposureFolder folder({}, &tx, now);
      for (const v1::Finding& finding : findings) {
        auto added = folder.Add(finding, v1::FINDING_KIND_CARD_NUMBER, "web-1");
        if (!added.ok()) return added.status();
        id = *added;
      }
      return folder.Flush();
    });
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }

  testing::TempStore store_;
};

TEST_F(Growth, CountsFindingsOccurrencesAndNewCardsByTheHour) {
  const absl::Time now = kHour + absl::Hours(5);
  const uint64_t id = Add({CardFinding(1, {.card = 1, .count = 3, .seen = kHour}),
                           CardFinding(2, {.card = 2, .seen = kHour + absl::Minutes(59)}),
                           CardFinding(3, {.card = 1, .seen = kHour + absl::Hours(2)})},
                          now);
  // In a later transaction: one card that is known, one that is not.
  Add({CardFinding(4, {.card = 2, .seen = kHour + absl::Hours(2)}),
       CardFinding(5, {.card = 3, .seen = kHour + absl::Hours(2)})},
      now);
  auto growth = store_->ListGrowth(id);
  ASSERT_TRUE(growth.ok()) << growth.status();
  ASSERT_EQ(growth->size(), 2u);
  const v1::ExposureGrowth& first = growth->front();
  EXPECT_EQ(store::FromTimestamp(first.start()), kHour);
  EXPECT_EQ(first.findings(), 2u);
  EXPECT_EQ(first.occurrences(), 4u);
  EXPECT_EQ(first.new_cards(), 2u);
  const v1::ExposureGrowth& last = growth->back();
  EXPECT_EQ(store::FromTimestamp(last.start()), kHour + absl::Hours(2));
  EXPECT_EQ(last.findings(), 3u);
  EXPECT_EQ(last.new_cards(), 1u);
  EXPECT_EQ(first.new_cards() + last.new_cards(),
            store_->GetExposure(id)->exposure().distinct_cards());
}

// An agent's clock is not to be trusted.
TEST_F(Growth, HasNoHoursOutsideOfItsSpan) {
  const absl::Time now = kHour + absl::Hours(5);
  const uint64_t id = Add({CardFinding(1, {.card = 1, .seen = now + absl::Hours(1000)}),
                           CardFinding(2, {.card = 2, .seen = absl::FromUnixSeconds(5)}),
                           CardFinding(3, {.card = 3, .seen = absl::FromUnixSeconds(500'000)})},
                          now);
  auto growth = store_->ListGrowth(id);
  ASSERT_TRUE(growth.ok()) << growth.status();
  ASSERT_EQ(growth->size(), 2u);
  EXPECT_EQ(store::FromTimestamp(growth->front().start()), now - kGrowthSpan);
  EXPECT_EQ(growth->front().findings(), 2u);
  EXPECT_EQ(store::FromTimestamp(growth->back().start()), now);
}

TEST_F(Growth, SaysWhatCallsForASeverity) {
  v1::Finding graver = CardFinding(3, {.card = 2, .severity = v1::SEVERITY_CRITICAL});
  graver.set_rule("card.outbound_in_bulk");
  const uint64_t id = Add({CardFinding(1, {.severity = v1::SEVERITY_LOW}), CardFinding(2), graver},
                          kHour + absl::Hours(5));
  const v1::Exposure exposure = store_->GetExposure(id)->exposure();
  ASSERT_EQ(exposure.severity_reasons_size(), 2);
  EXPECT_EQ(exposure.severity_reasons(0).severity(), v1::SEVERITY_HIGH);
  EXPECT_EQ(exposure.severity_reasons(0).reason(),
            "full card numbers leave (PCI DSS 4.0.1, 3.4.1)");
  EXPECT_EQ(exposure.severity_reasons(0).agent(), "web-1");
  EXPECT_EQ(exposure.severity_reasons(1).severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(exposure.severity_reasons(1).reason(), "the agent's rule card.outbound_in_bulk");
}

}  // namespace
}  // namespace skimwatch::exposure
