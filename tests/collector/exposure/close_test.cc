#include "collector/exposure/close.h"

#include "collector/exposure/exposure_folder.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::exposure {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);

uint64_t Open(store::Store& store, const store::ExposureKey& key, absl::Time at) {
  uint64_t id = 0;
  const absl::Status status = store.Write([&](store::Transaction& tx) -> absl::Status {
    ExposureFolder folder({}, &tx, at);
    auto opened = folder.OpenWithoutFinding(key, v1::SEVERITY_HIGH, "test");
    if (!opened.ok()) return opened.status();
    id = *opened;
    return folder.Flush();
  });
  EXPECT_TRUE(status.ok()) << status;
  return id;
}

TEST(Close, NeedsAReasonAndAnOpenExposure) {
  testing::TempStore store;
  const uint64_t id = Open(*store, {"shop", v1::FINDING_KIND_CARD_NUMBER, "c", "d"}, kNow);
  v1::CloseExposureRequest request;
  request.set_id(id);
  EXPECT_EQ(Close(*store, request, "ann", kNow).status().code(),
            absl::StatusCode::kInvalidArgument);
  request.set_reason("blocked at the firewall");
  auto closed = Close(*store, request, "ann", kNow);
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_EQ(closed->state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(closed->close_reason(), "blocked at the firewall");
  EXPECT_EQ(Close(*store, request, "bob", kNow).status().code(),
            absl::StatusCode::kFailedPrecondition);
  request.set_id(id + 1);
  EXPECT_EQ(Close(*store, request, "ann", kNow).status().code(), absl::StatusCode::kNotFound);
}

TEST(CloseQuiet, ClosesCardsThatStoppedAndKeepsChangesThatStand) {
  testing::TempStore store;
  const uint64_t quiet =
      Open(*store, {"s", v1::FINDING_KIND_CARD_NUMBER, "a", "d"}, kNow - absl::Hours(48));
  const uint64_t lively =
      Open(*store, {"s", v1::FINDING_KIND_CARD_NUMBER, "b", "d"}, kNow - absl::Hours(1));
  const uint64_t script =
      Open(*store, {"s", v1::FINDING_KIND_SCRIPT_CHANGE, "c.js", ""}, kNow - absl::Hours(48));
  auto closed = CloseQuiet(*store, absl::Hours(24), 10, kNow);
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_EQ(*closed, 1u);
  EXPECT_EQ(store->GetExposure(quiet)->exposure().state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(store->GetExposure(quiet)->exposure().closed_by(), kCollectorName);
  EXPECT_EQ(store->GetExposure(lively)->exposure().state(), v1::Exposure::STATE_OPEN);
  EXPECT_EQ(store->GetExposure(script)->exposure().state(), v1::Exposure::STATE_OPEN);
  EXPECT_EQ(*CloseQuiet(*store, absl::Hours(24), 10, kNow), 0u);
}

TEST(CloseQuiet, GoesInSteps) {
  testing::TempStore store;
  for (const char* channel : {"a", "b", "c"}) {
    Open(*store, {"s", v1::FINDING_KIND_CARD_NUMBER, channel, "d"}, kNow - absl::Hours(48));
  }
  EXPECT_EQ(*CloseQuiet(*store, absl::Hours(24), 2, kNow), 2u);
  EXPECT_EQ(*CloseQuiet(*store, absl::Hours(24), 2, kNow), 1u);
}

}  // namespace
}  // namespace skimwatch::exposure
