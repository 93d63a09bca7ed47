#include "agent/pipeline/budget_controller.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::pipeline {
namespace {

using traffic::Priority;
using Shares = traffic::FlowSampler::Shares;

constexpr double kBudget = 0.05;

// Cores that scanning all of each priority's traffic would take.
struct Load {
  double low = 0;
  double normal = 0;
  double high = 0;
  // What the process takes whatever it scans.
  double base = 0.004;
};

// An agent of which a second at a time passes. Flows that were chosen go on for a while: what it
// costs follows the shares of the seconds before.
class SimulatedAgent {
 public:
  explicit SimulatedAgent(const BudgetController::Options& options, size_t flow_seconds = 2)
      : controller_(options), flow_seconds_(flow_seconds) {
    controller_.Update(reading_);
  }

  void Second(const Load& load) {
    past_.push_back(controller_.shares());
    if (past_.size() > flow_seconds_) past_.pop_front();
    Shares mean{};
    for (const Shares& shares : past_) {
      for (size_t i = 0; i < mean.size(); ++i) {
        mean[i] += shares[i] / static_cast<double>(past_.size());
      }
    }
    cores = load.base + load.low * mean[0] + load.normal * mean[1] + load.high * mean[2];
    reading_.cpu_seconds += cores;
    reading_.now += absl::Seconds(1);
    reading_.resident_bytes = resident_bytes;
    reading_.dropped_packets = dropped_packets;
    controller_.Update(reading_);
  }

  double share(Priority priority) const {
    return controller_.shares()[static_cast<size_t>(priority)];
  }

  double cores = 0;
  uint64_t resident_bytes = 0;
  uint64_t dropped_packets = 0;

 private:
  BudgetController controller_;
  const size_t flow_seconds_;
  std::deque<Shares> past_;
  BudgetController::Reading reading_{.now = absl::UnixEpoch()};
};

BudgetController::Options CpuBudget() { return {.cpu_cores = kBudget}; }

TEST(BudgetController, ScansEverythingWithoutABudget) {
  SimulatedAgent agent({.share_max = 0.5});
  for (int second = 0; second < 60; ++second) agent.Second({.normal = 10});
  EXPECT_EQ(agent.share(Priority::kNormal), 0.5);
  EXPECT_EQ(agent.share(Priority::kLow), 0.5);
}

TEST(BudgetController, ScansEverythingWhileThereIsRoom) {
  SimulatedAgent agent(CpuBudget());
  for (int second = 0; second < 60; ++second) {
    agent.Second({.normal = 0.04});
    EXPECT_EQ(agent.share(Priority::kLow), 1);
  }
}

struct StepCase {
  double cores;
  int settles_in_seconds;
};

TEST(BudgetController, HoldsTheBudgetAfterAStepAndStaysThere) {
  for (const StepCase& step : {StepCase{0.1, 10}, StepCase{0.5, 8}, StepCase{5, 8}}) {
    SimulatedAgent agent(CpuBudget());
    for (int second = 0; second < step.settles_in_seconds; ++second) {
      agent.Second({.normal = step.cores});
    }
    const double settled = agent.share(Priority::kNormal);
    int changes = 0;
    for (int second = 0; second < 300; ++second) {
      const double before = agent.share(Priority::kNormal);
      agent.Second({.normal = step.cores});
      EXPECT_LE(agent.cores, kBudget) << step.cores << " at " << second;
      changes += agent.share(Priority::kNormal) != before ? 1 : 0;
    }
    // It uses what it may, and moves no more than to where it stays.
    EXPECT_GE(agent.cores, 0.55 * kBudget) << step.cores;
    EXPECT_LE(changes, 6) << step.cores;
    EXPECT_LT(settled, 1);
  }
}

TEST(BudgetController, DoesNotOscillateWhereFlowsAreLong) {
  SimulatedAgent agent(CpuBudget(), /*flow_seconds=*/5);
  for (int second = 0; second < 60; ++second) agent.Second({.normal = 1});
  double least = 1, greatest = 0;
  for (int second = 0; second < 300; ++second) {
    agent.Second({.normal = 1});
    least = std::min(least, agent.share(Priority::kNormal));
    greatest = std::max(greatest, agent.share(Priority::kNormal));
  }
  EXPECT_LE(greatest / least, 1.2);
}

TEST(BudgetController, ScansEverythingAgainAfterABurst) {
  SimulatedAgent agent(CpuBudget());
  for (int second = 0; second < 10; ++second) agent.Second({.normal = 1});
  EXPECT_LT(agent.share(Priority::kNormal), 0.1);
  int seconds = 0;
  while (agent.share(Priority::kLow) < 1 && seconds < 120) {
    agent.Second({.normal = 0.01});
    ++seconds;
  }
  EXPECT_LE(seconds, 40);
}

TEST(BudgetController, HoldsTheMeanOfASawtooth) {
  SimulatedAgent agent(CpuBudget());
  double sum = 0, worst = 0;
  constexpr int kSeconds = 600;
  for (int second = -60; second < kSeconds; ++second) {
    // From nothing to 20 times the budget within 30 s.
    agent.Second({.normal = static_cast<double>((second + 60) % 30) / 30});
    if (second < 0) continue;
    sum += agent.cores;
    worst = std::max(worst, agent.cores);
  }
  EXPECT_LE(sum / kSeconds, kBudget);
  EXPECT_LE(worst, 3 * kBudget);
}

TEST(BudgetController, LowersLowPriorityFirstAndHighPriorityLast) {
  SimulatedAgent agent(CpuBudget());
  const Load load = {.low = 0.2, .normal = 0.02, .high = 0.005};
  for (int second = 0; second < 60; ++second) agent.Second(load);
  EXPECT_LE(agent.cores, kBudget);
  EXPECT_LT(agent.share(Priority::kLow), 0.25);
  EXPECT_EQ(agent.share(Priority::kNormal), 1);
  for (int second = 0; second < 60; ++second) agent.Second({.low = 1, .normal = 1, .high = 0.01});
  EXPECT_LE(agent.cores, kBudget);
  EXPECT_NEAR(agent.share(Priority::kNormal) / agent.share(Priority::kLow), 16, 4);
  EXPECT_GE(agent.share(Priority::kHigh), 0.4);
}

TEST(BudgetController, StopsAtTheLeastShare) {
  SimulatedAgent agent({.cpu_cores = kBudget, .share_max = 0.5, .share_min = 0.01});
  for (int second = 0; second < 300; ++second) agent.Second({.normal = 1000, .high = 1000});
  EXPECT_DOUBLE_EQ(agent.share(Priority::kLow), 0.01);
  EXPECT_DOUBLE_EQ(agent.share(Priority::kHigh), 0.01);
  // And comes back from there in bounded time.
  int seconds = 0;
  while (agent.share(Priority::kNormal) < 0.5 && seconds < 120) {
    agent.Second({});
    ++seconds;
  }
  EXPECT_LE(seconds, 50);
}

TEST(BudgetController, ScansLessWhileMemoryIsShort) {
  SimulatedAgent agent({.memory_bytes = 100 << 20});
  agent.resident_bytes = 120 << 20;
  for (int second = 0; second < 60; ++second) agent.Second({});
  EXPECT_LT(agent.share(Priority::kNormal), 0.01);
  // Not before there is room does it take on more.
  const double share = agent.share(Priority::kNormal);
  agent.resident_bytes = 95 << 20;
  for (int second = 0; second < 60; ++second) agent.Second({});
  EXPECT_EQ(agent.share(Priority::kNormal), share);
  agent.resident_bytes = 50 << 20;
  for (int second = 0; second < 60; ++second) agent.Second({});
  EXPECT_EQ(agent.share(Priority::kNormal), 1);
}

TEST(BudgetController, ScansLessWhileTheKernelDropsPackets) {
  SimulatedAgent agent(CpuBudget());
  for (int second = 0; second < 6; ++second) {
    agent.dropped_packets += 10;
    agent.Second({.normal = 0.02});
  }
  EXPECT_LE(agent.share(Priority::kLow), 1.0 / 32);
  EXPECT_LT(agent.share(Priority::kNormal), 1);
  // Without a budget nothing is sampled that nobody asked to.
  SimulatedAgent free({});
  free.dropped_packets = 10;
  free.Second({.normal = 1});
  EXPECT_EQ(free.share(Priority::kLow), 1);
}

TEST(BudgetController, MovesInStepsSoThatFindingsCanBeFolded) {
  SimulatedAgent agent(CpuBudget());
  for (int second = 0; second < 200; ++second) {
    agent.Second({.normal = 0.05 + 0.002 * second});
    const double steps = std::log2(agent.share(Priority::kNormal)) * 4;
    EXPECT_NEAR(steps, std::round(steps), 1e-9);
  }
}

}  // namespace
}  // namespace skimwatch::pipeline
