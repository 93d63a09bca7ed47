#include "agent/pipeline/drop_estimate.h"

#include "gtest/gtest.h"

namespace skimwatch::pipeline {
namespace {

TEST(DropEstimate, IsNothingWhereNothingWasDropped) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.seen_packets = 10, .seen_bytes = 1000, .gap_bytes = 700}), 0u);
}

TEST(DropEstimate, WeighsDropsByThePacketsOfTheirTime) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.dropped_packets = 10, .seen_packets = 100, .seen_bytes = 100'000}),
            10'000u);
  // 100 packets of 100 bytes since.
  EXPECT_EQ(estimate.Update({.dropped_packets = 15, .seen_packets = 200, .seen_bytes = 110'000}),
            10'500u);
}

TEST(DropEstimate, LeavesThePacketsOfQuietTimesOut) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.seen_packets = 1'000'000, .seen_bytes = 1'400'000'000}), 0u);
  // A flood of 60 bytes each.
  EXPECT_EQ(estimate.Update(
                {.dropped_packets = 1000, .seen_packets = 1'000'100, .seen_bytes = 1'400'006'000}),
            60'000u);
}

TEST(DropEstimate, StaysWhereLaterPacketsAreSmaller) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.dropped_packets = 10, .seen_packets = 100, .seen_bytes = 100'000}),
            10'000u);
  // The mean of all packets falls to 109 bytes.
  EXPECT_EQ(
      estimate.Update({.dropped_packets = 10, .seen_packets = 10'000, .seen_bytes = 1'090'000}),
      10'000u);
}

TEST(DropEstimate, CountsDropsWithoutPacketsMeanwhileByTheMeanOfAll) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.dropped_packets = 3}), 0u);
  EXPECT_EQ(estimate.Update({.dropped_packets = 3, .seen_packets = 10, .seen_bytes = 5000}), 1500u);
  EXPECT_EQ(estimate.Update({.dropped_packets = 4, .seen_packets = 10, .seen_bytes = 5000}), 2000u);
}

TEST(DropEstimate, IsAtLeastWhatConnectionsMiss) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update(
                {.dropped_packets = 2, .seen_packets = 100, .seen_bytes = 6000, .gap_bytes = 2800}),
            2800u);
  // Without further drops, what was lost is found to be more.
  EXPECT_EQ(
      estimate.Update(
          {.dropped_packets = 2, .seen_packets = 200, .seen_bytes = 12'000, .gap_bytes = 2900}),
      2900u);
}

TEST(DropEstimate, LeavesOutWhatWasMissingBeforeTheFirstDrop) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.seen_packets = 100, .seen_bytes = 6000, .gap_bytes = 40'000}), 0u);
  EXPECT_EQ(
      estimate.Update(
          {.dropped_packets = 1, .seen_packets = 200, .seen_bytes = 12'000, .gap_bytes = 41'400}),
      1400u);
}

TEST(DropEstimate, LeavesOutWhatCameLate) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.dropped_packets = 1,
                             .seen_packets = 100,
                             .seen_bytes = 6000,
                             .gap_bytes = 4000,
                             .late_bytes = 3000}),
            1000u);
  // What counted as missing and comes late makes it no less.
  EXPECT_EQ(estimate.Update({.dropped_packets = 1,
                             .seen_packets = 200,
                             .seen_bytes = 12'000,
                             .gap_bytes = 4000,
                             .late_bytes = 9000}),
            1000u);
}

TEST(DropEstimate, IsNoMoreThanThePacketsCanHold) {
  DropEstimate estimate;
  EXPECT_EQ(estimate.Update({.dropped_packets = 1, .seen_packets = 100, .seen_bytes = 6000}), 60u);
  // As where only one direction is routed past this host.
  EXPECT_EQ(estimate.Update({.dropped_packets = 1,
                             .seen_packets = 200,
                             .seen_bytes = 12'000,
                             .gap_bytes = 5'000'000'000}),
            65'535u);
}

TEST(DropEstimate, TakesNoCountsThatAreOlderThanAnothersLook) {
  DropEstimate estimate;
  const DropEstimate::Counts older = {.dropped_packets = 5, .seen_packets = 50, .seen_bytes = 5000};
  const DropEstimate::Counts newer = {
      .dropped_packets = 10, .seen_packets = 100, .seen_bytes = 10'000};
  EXPECT_EQ(estimate.Update(newer), 1000u);
  EXPECT_EQ(estimate.Update(older), 1000u);
  EXPECT_EQ(estimate.Update(newer), 1000u);
}

}  // namespace
}  // namespace skimwatch::pipeline
