#include "agent/script/source/settling.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1000);

absl::Time At(int ms) { return kStart + absl::Milliseconds(ms); }

TEST(Settling, PathIsDueWhenItWasQuiet) {
  Settling settling(absl::Seconds(10));
  settling.Note("a", At(0), absl::Milliseconds(100));
  settling.Note("b", At(50), absl::Milliseconds(100));
  EXPECT_EQ(settling.NextDue(), At(100));
  EXPECT_THAT(settling.TakeDue(At(99)), IsEmpty());
  EXPECT_THAT(settling.TakeDue(At(100)), ElementsAre("a"));
  EXPECT_THAT(settling.TakeDue(At(1000)), ElementsAre("b"));
  EXPECT_EQ(settling.NextDue(), absl::InfiniteFuture());
}

TEST(Settling, EveryNoteBeginsTheWaitAnew) {
  Settling settling(absl::Seconds(10));
  settling.Note("a", At(0), absl::Milliseconds(100));
  settling.Note("a", At(80), absl::Milliseconds(100));
  EXPECT_THAT(settling.TakeDue(At(150)), IsEmpty());
  EXPECT_THAT(settling.TakeDue(At(180)), ElementsAre("a"));
}

TEST(Settling, CloseEndsTheLongWaitOfAWriter) {
  Settling settling(absl::Seconds(10));
  settling.Note("a", At(0), absl::Seconds(2));
  settling.Note("a", At(10), absl::Milliseconds(100));
  EXPECT_THAT(settling.TakeDue(At(110)), ElementsAre("a"));
}

TEST(Settling, WhatIsNeverQuietIsDueWhenPatienceEnds) {
  Settling settling(absl::Milliseconds(500));
  for (int ms = 0; ms < 500; ms += 10) settling.Note("a", At(ms), absl::Milliseconds(100));
  EXPECT_THAT(settling.TakeDue(At(499)), IsEmpty());
  EXPECT_THAT(settling.TakeDue(At(500)), ElementsAre("a"));
}

}  // namespace
}  // namespace skimwatch::script
