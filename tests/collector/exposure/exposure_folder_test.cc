#include "collector/exposure/exposure_folder.h"

#include <string>
#include <vector>

#include "collector/exposure/close.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::exposure {
namespace {

using testing::CardFinding;
using testing::CardFindingOptions;
using testing::FingerprintOf;
using ::testing::SizeIs;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);

class ExposureFolderTest : public ::testing::Test {
 protected:
  // Folds findings in one transaction and returns the exposure each belongs to.
  std::vector<uint64_t> Fold(const std::vector<CardFindingOptions>& findings,
                             absl::Time now = kNow) {
    std::vector<uint64_t> ids;
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      ExposureFolder folder(rules_, &tx, now);
      for (const CardFindingOptions& options : findings) {
        auto id = folder.Add(CardFinding(1, options), v1::FINDING_KIND_CARD_NUMBER, "a");
        if (!id.ok()) return id.status();
        ids.push_back(*id);
      }
      return folder.Flush();
    });
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  }

  v1::Exposure Get(uint64_t id) {
    auto response = store_->GetExposure(id);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->exposure() : v1::Exposure();
  }

  int Sightings(uint64_t card) {
    v1::CheckCardRequest request;
    request.add_fingerprints(FingerprintOf(card));
    auto response = store_->CheckCard(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->sightings_size() : -1;
  }

  absl::Status CloseIt(uint64_t id, absl::Time at) {
    v1::CloseExposureRequest request;
    request.set_id(id);
    request.set_reason("fixed");
    return Close(*store_, request, "ann", at).status();
  }

  Rules rules_;
  testing::TempStore store_;
};

TEST_F(ExposureFolderTest, OneWayOutIsOneExposure) {
  const auto ids = Fold({{.card = 1},
                         {.card = 2},
                         {.card = 1, .path = "/other"},
                         {.card = 1, .destination = "elsewhere:443"},
                         {.site = "blog", .card = 1},
                         {.card = 3}});
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[5]);
  EXPECT_NE(ids[0], ids[2]);
  EXPECT_NE(ids[0], ids[3]);
  EXPECT_NE(ids[0], ids[4]);
  EXPECT_EQ(Get(ids[0]).findings(), 3u);
  EXPECT_EQ(Get(ids[0]).distinct_cards(), 3u);
  EXPECT_EQ(Get(ids[0]).channel(), "POST /collect");
}

TEST_F(ExposureFolderTest, DistinctCardsAreExactOverTransactions) {
  const uint64_t id = Fold({{.card = 1}, {.card = 2}, {.card = 1}})[0];
  Fold({{.card = 2}, {.card = 3}});
  store_.Reopen();
  EXPECT_EQ(Fold({{.card = 1}, {.card = 3}, {.card = 4, .test_card = true}})[0], id);
  EXPECT_EQ(Get(id).distinct_cards(), 4u);
  EXPECT_EQ(Get(id).distinct_test_cards(), 1u);
  EXPECT_EQ(Get(id).findings(), 8u);
}

TEST_F(ExposureFolderTest, ExpectedAndDoubtfulFindingsAreSeenAndOpenNothing) {
  EXPECT_EQ(Fold({{.card = 1, .expected = true}})[0], 0u);
  EXPECT_EQ(Fold({{.card = 2, .confidence = v1::CONFIDENCE_LOW}})[0], 0u);
  EXPECT_EQ(Fold({{.card = 3, .test_card = true}})[0], 0u);
  EXPECT_THAT(store_->ListExposures({})->exposures(), SizeIs(0));
  EXPECT_EQ(Sightings(1), 1);
  EXPECT_EQ(Sightings(2), 1);
  EXPECT_EQ(Sightings(3), 1);
  // Nor do they join one that is open.
  const uint64_t id = Fold({{.card = 9}})[0];
  EXPECT_EQ(Fold({{.card = 1, .expected = true}})[0], 0u);
  EXPECT_EQ(Get(id).findings(), 1u);
}

TEST_F(ExposureFolderTest, FindingsWithoutAFingerprintCountAndAreNoSightings) {
  const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
    ExposureFolder folder(rules_, &tx, kNow);
    v1::Finding finding = CardFinding(1);
    finding.mutable_card_number()->mutable_card()->clear_fingerprint();
    auto id = folder.Add(finding, v1::FINDING_KIND_CARD_NUMBER, "a");
    EXPECT_GT(*id, 0u);
    return folder.Flush();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Get(1).findings(), 1u);
  EXPECT_EQ(Get(1).distinct_cards(), 0u);
}

TEST_F(ExposureFolderTest, OpensAnewAfterItWasClosed) {
  const uint64_t first = Fold({{.card = 1}})[0];
  ASSERT_TRUE(CloseIt(first, kNow).ok());
  const uint64_t second = Fold({{.card = 1, .seen = kNow + absl::Seconds(1)}})[0];
  EXPECT_NE(second, 0u);
  EXPECT_NE(second, first);
  EXPECT_EQ(Get(first).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Get(first).closed_by(), "ann");
  EXPECT_EQ(Get(second).distinct_cards(), 1u);
  EXPECT_EQ(Get(first).findings(), 1u);
  EXPECT_EQ(Sightings(1), 2);
}

TEST_F(ExposureFolderTest, ALateFindingBelongsToWhatWasJustClosed) {
  const uint64_t id = Fold({{.card = 1}})[0];
  ASSERT_TRUE(CloseIt(id, kNow).ok());
  EXPECT_EQ(Fold({{.card = 2, .seen = kNow - absl::Seconds(3)}}, kNow + absl::Seconds(7))[0], id);
  EXPECT_EQ(Get(id).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Get(id).distinct_cards(), 2u);
  // But an agent whose clock is behind for good does not hide in there.
  const uint64_t next =
      Fold({{.card = 2, .seen = kNow - absl::Hours(3)}}, kNow + absl::Minutes(3))[0];
  EXPECT_NE(next, id);
  EXPECT_EQ(Get(next).state(), v1::Exposure::STATE_OPEN);
}

TEST_F(ExposureFolderTest, AClockSetBackBreaksNothing) {
  const uint64_t id = Fold({{.card = 1}}, kNow)[0];
  EXPECT_EQ(Fold({{.card = 2, .seen = kNow - absl::Hours(48)}}, kNow - absl::Hours(24))[0], id);
  EXPECT_EQ(Get(id).distinct_cards(), 2u);
  ASSERT_TRUE(CloseIt(id, kNow).ok());
  EXPECT_NE(Fold({{.card = 1, .seen = kNow - absl::Hours(24)}}, kNow - absl::Hours(24))[0], id);
}

TEST_F(ExposureFolderTest, ClosedAndOpenedInOneTransaction) {
  const uint64_t first = Fold({{.card = 1}})[0];
  uint64_t second = 0;
  const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
    ExposureFolder folder(rules_, &tx, kNow);
    absl::Status s =
        folder.CloseChannel("shop", v1::FINDING_KIND_CARD_NUMBER, "POST /collect", "ann", "fixed");
    if (!s.ok()) return s;
    auto id = folder.Add(CardFinding(2, {.seen = kNow + absl::Seconds(1)}),
                         v1::FINDING_KIND_CARD_NUMBER, "a");
    if (!id.ok()) return id.status();
    second = *id;
    return folder.Flush();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_NE(first, second);
  EXPECT_EQ(Get(first).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Get(second).state(), v1::Exposure::STATE_OPEN);
}

}  // namespace
}  // namespace skimwatch::exposure
