#include "agent/pipeline/budget_controller.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace skimwatch::pipeline {
namespace {

constexpr absl::Duration kReadingMin = absl::Milliseconds(500);
// Between the shares of two priorities, and between two values of a share.
const double kPriorityLag = std::log(16.0);
const double kStep = std::log(2.0) / 4;
// Where it aims, and below which it raises the share, in parts of the budget.
constexpr double kAim = 0.8;
constexpr double kRaiseBelow = 0.6;
constexpr double kGain = 0.5;
constexpr double kDepthPerSecondMax = 1.5;
// A half less for each second with drops.
const double kDropChange = std::log(2.0);
constexpr double kRaisePerSecondMax = 0.25;
// Of the mean that raising looks at.
constexpr double kSmoothSeconds = 3;
// Memory does not shrink with the load at once: no more is taken on from here.
constexpr double kMemoryHold = 0.9;

}  // namespace

BudgetController::Options BudgetController::Options::FromConfig(
    const config::v1::AgentConfig& config) {
  Options options;
  options.cpu_cores = config.budget().cpu_percent() / 100;
  options.memory_bytes = uint64_t{config.budget().memory_mib()} << 20;
  if (config.sampling().flow_ratio() > 0) options.share_max = config.sampling().flow_ratio();
  if (config.sampling().flow_ratio_min() > 0) {
    options.share_min = config.sampling().flow_ratio_min();
  }
  options.share_min = std::min(options.share_min, options.share_max);
  return options;
}

BudgetController::BudgetController(const Options& options) : options_(options) {
  // Where every priority is at its least; a step more, since shares are rounded up to one.
  depth_max_ = std::log(options_.share_max / options_.share_min) + 2 * kPriorityLag + kStep;
  SetShares();
}

void BudgetController::Update(const Reading& reading) {
  const Reading before = last_;
  const bool had_reading = has_reading_;
  const absl::Duration passed = reading.now - before.now;
  if (had_reading && passed < kReadingMin) return;
  last_ = reading;
  has_reading_ = true;
  if (!had_reading) return;
  const double seconds = absl::ToDoubleSeconds(passed);
  cpu_cores_ = std::max(0.0, reading.cpu_seconds - before.cpu_seconds) / seconds;
  const double weight = 1 - std::exp(-seconds / kSmoothSeconds);
  smooth_cores_ += weight * (cpu_cores_ - smooth_cores_);

  const auto memory = static_cast<double>(options_.memory_bytes);
  const auto resident = static_cast<double>(reading.resident_bytes);
  const bool too_much_memory = options_.memory_bytes > 0 && resident > memory;
  const bool drops = reading.dropped_packets > before.dropped_packets;
  const bool may_raise = (options_.memory_bytes == 0 || resident < kMemoryHold * memory) &&
                         (options_.cpu_cores == 0 ||
                          std::max(cpu_cores_, smooth_cores_) < kRaiseBelow * options_.cpu_cores);
  double change = 0;
  if (options_.cpu_cores > 0 && cpu_cores_ > options_.cpu_cores) {
    change = std::max(kStep, kGain * std::log(cpu_cores_ / (kAim * options_.cpu_cores)));
    change = std::min(change, kDepthPerSecondMax * seconds);
  } else if (options_.cpu_cores > 0 && drops) {
    change = kDropChange;
  } else if (too_much_memory) {
    change = kStep;
  } else if (may_raise) {
    // How far below the aim the load is; nothing at all is as far as it gets.
    const double room = options_.cpu_cores == 0 || smooth_cores_ <= 0
                            ? kRaisePerSecondMax
                            : kGain * std::log(kAim * options_.cpu_cores / smooth_cores_);
    change = -std::min(room, kRaisePerSecondMax) * seconds;
  }
  depth_ = std::clamp(depth_ + change, 0.0, depth_max_);
  SetShares();
}

void BudgetController::SetShares() {
  for (size_t i = 0; i < shares_.size(); ++i) {
    const double below = std::max(0.0, depth_ - static_cast<double>(i) * kPriorityLag);
    const double stepped = std::floor(below / kStep + 1e-9) * kStep;
    shares_[i] = std::max(options_.share_max * std::exp(-stepped), options_.share_min);
  }
}

}  // namespace skimwatch::pipeline
