#include "agent/offline/progress.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/text/columns.h"

namespace skimwatch::offline {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMiB = 1 << 20;
const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

TEST(Progress, ShowsShareBytesRateAndTimeLeft) {
  ProgressMeter meter(kStart);
  EXPECT_EQ(
      meter.Line({.bytes_done = 100 * kMiB, .bytes_total = 400 * kMiB, .findings = 3},
                 kStart + absl::Seconds(1), 100),
      " 25% [========>                         ] 100.0 MiB of 400.0 MiB, 100.0 MiB/s, 0:03 left, 3 "
      "findings");
}

TEST(Progress, ShowsNoShareWhileTheTotalIsUnknown) {
  ProgressMeter meter(kStart);
  EXPECT_EQ(meter.Line({.bytes_done = kMiB, .findings = 1}, kStart + absl::Seconds(1), 100),
            "1.0 MiB, 1.0 MiB/s, 1 finding");
}

TEST(Progress, FitsTheTerminal) {
  for (size_t columns = 0; columns < 140; ++columns) {
    ProgressMeter meter(kStart);
    const std::string line =
        meter.Line({.bytes_done = 5 * kMiB, .bytes_total = 9 * kMiB, .findings = 12},
                   kStart + absl::Seconds(1), columns);
    EXPECT_LE(text::Columns(line), columns);
  }
}

TEST(Progress, SmoothsTheRate) {
  ProgressMeter meter(kStart);
  meter.Line({.bytes_done = 100 * kMiB}, kStart + absl::Seconds(1), 100);
  // One second in which nothing happens does not make the rate nothing.
  const std::string line = meter.Line({.bytes_done = 100 * kMiB, .bytes_total = 1000 * kMiB},
                                      kStart + absl::Seconds(2), 200);
  EXPECT_THAT(line, HasSubstr(" 81.9 MiB/s"));
  // Half a minute does.
  EXPECT_THAT(meter.Line({.bytes_done = 100 * kMiB}, kStart + absl::Seconds(32), 100),
              HasSubstr(" 207.8 KiB/s"));
}

TEST(Progress, HoldsWhenAFileGrowsOrNothingHappens) {
  ProgressMeter grown(kStart);
  EXPECT_THAT(grown.Line({.bytes_done = 10, .bytes_total = 5}, kStart + absl::Seconds(1), 100),
              HasSubstr("100%"));
  ProgressMeter still(kStart);
  EXPECT_THAT(still.Line({.bytes_done = 0, .bytes_total = 5}, kStart, 100),
              AllOf(HasSubstr("  0%"), Not(HasSubstr("left"))));
  ProgressMeter empty(kStart);
  EXPECT_THAT(empty.Line({.bytes_done = 0, .bytes_total = 0}, kStart, 100), HasSubstr("0 B, "));
}

}  // namespace
}  // namespace skimwatch::offline
