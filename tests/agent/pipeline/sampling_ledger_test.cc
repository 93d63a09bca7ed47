#include "agent/pipeline/sampling_ledger.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::pipeline {
namespace {

TEST(SamplingLedger, AddsNothingWhereAllIsScanned) {
  SamplingLedger ledger(10);
  EXPECT_EQ(ledger.Add(1, 1, 1), 0);
  EXPECT_EQ(ledger.Add(1, 1, 1), 0);
}

TEST(SamplingLedger, CountsWhatIsSeenTogetherAsOneDraw) {
  SamplingLedger ledger(10);
  const double one = (1 - 0.25) / (0.25 * 0.25);
  EXPECT_DOUBLE_EQ(ledger.Add(1, 7, 0.25), one);
  // Two together weigh four times as much as one, three nine times.
  EXPECT_DOUBLE_EQ(ledger.Add(1, 7, 0.25), 3 * one);
  EXPECT_DOUBLE_EQ(ledger.Add(1, 7, 0.25), 5 * one);
  // Another flow, and another total.
  EXPECT_DOUBLE_EQ(ledger.Add(2, 7, 0.25), one);
  EXPECT_DOUBLE_EQ(ledger.Add(1, 8, 0.25), one);
  EXPECT_DOUBLE_EQ(ledger.Add(1, 7, 0.5), 2 + 3 * 2 * 0.5 / (0.5 * 0.25));
}

TEST(SamplingLedger, ForgetsTheUnitThatWasUsedLongestAgo) {
  SamplingLedger ledger(2);
  ledger.Add(1, 7, 0.5);
  ledger.Add(2, 7, 0.5);
  ledger.Add(1, 7, 0.5);
  ledger.Add(3, 7, 0.5);
  EXPECT_DOUBLE_EQ(ledger.Add(2, 7, 0.5), 2) << "as if it were the first";
}

// The law that everything shown rests on: the true value is within two standard errors about 95 %
// of the time. Flows carry 0 to 12 occurrences each, some of them while the share changes.
TEST(SamplingLedger, GivesAnHonestError) {
  constexpr int kRuns = 1000;
  constexpr int kFlows = 1500;
  int within = 0;
  double sum = 0, truth_sum = 0, variance_sum = 0, square_sum = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::mt19937_64 random(static_cast<uint64_t>(run) + 1);
    std::uniform_real_distribution<double> uniform(0, 1);
    SamplingLedger ledger(4096);
    double truth = 0, estimate = 0, variance = 0;
    for (int flow = 0; flow < kFlows; ++flow) {
      const uint64_t unit = random();
      const double draw = static_cast<double>(unit >> 11) * 0x1p-53;
      // Many carry one, a few carry many.
      const int occurrences = uniform(random) < 0.1 ? 12 : static_cast<int>(random() % 3);
      for (int i = 0; i < occurrences; ++i) {
        // Halved in the middle of the run, for flows that are open too.
        const double share = flow + i < kFlows / 2 ? 0.2 : 0.1;
        truth += 1;
        if (draw >= share) continue;
        estimate += 1 / share;
        variance += ledger.Add(unit, 1, share);
      }
    }
    within += std::abs(estimate - truth) <= 2 * std::sqrt(variance) ? 1 : 0;
    sum += estimate;
    truth_sum += truth;
    variance_sum += variance;
    square_sum += (estimate - truth) * (estimate - truth);
  }
  // The estimate and its variance are unbiased, and the interval holds as often as it says.
  EXPECT_NEAR(sum / truth_sum, 1, 0.01);
  EXPECT_NEAR(variance_sum / square_sum, 1, 0.15);
  EXPECT_GE(within, 930);
  EXPECT_LE(within, 975);
}

}  // namespace
}  // namespace skimwatch::pipeline
