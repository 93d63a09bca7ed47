#ifndef SKIMWATCH_AGENT_PIPELINE_BUDGET_CONTROLLER_H_
#define SKIMWATCH_AGENT_PIPELINE_BUDGET_CONTROLLER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "agent/traffic/flow_sampler.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::pipeline {

// Holds a budget by the share of traffic that is scanned: lowers it when the process uses more than
// it may, and raises it again. A pure function of what it is told; it reads no clock.
//
// Its one variable is the depth, in powers of e below the configured shares. The shares of the
// priorities follow it 1 : 16 : 256, so that low priority is down to a sixteenth before normal
// priority is touched, and that before high priority is. Shares move in steps of 2^(1/4), so that
// findings of one probability can be folded.
//
// Where there is a budget for the processor, packets that the kernel dropped for want of room count
// as being above it: whole flows that are left out are worth more than holes in all of them.
//
// Above the budget the depth grows by half of what the excess calls for (at least a step, at most
// e^1.5 in a second); below 60 % of it, over some seconds, it shrinks by at most e^0.25 in a
// second. Between the two it rests, which is wider than the steps are, so that a steady load makes
// no oscillation. What settles when is in docs/budget.md and in the tests.
//
// Thread-compatible.
class BudgetController {
 public:
  struct Options {
    // CPU seconds a second; 0 for no budget.
    double cpu_cores = 0;
    // 0 for no budget.
    uint64_t memory_bytes = 0;
    // The share at depth 0, and the least.
    double share_max = 1;
    double share_min = 0.001;

    static Options FromConfig(const config::v1::AgentConfig& config);
  };

  struct Reading {
    // Of a clock that is never set back.
    absl::Time now;
    // Of the process, since its start.
    double cpu_seconds = 0;
    uint64_t resident_bytes = 0;
    // That the kernel had no room for, since the start: a sign of too little processor as well.
    uint64_t dropped_packets = 0;
  };

  explicit BudgetController(const Options& options);

  // Call it about once a second. The first reading is where counting begins; one less than half a
  // second after the last is ignored.
  void Update(const Reading& reading);

  const traffic::FlowSampler::Shares& shares() const { return shares_; }
  // CPU seconds a second between the last two readings.
  double cpu_cores() const { return cpu_cores_; }
  double depth() const { return depth_; }

 private:
  void SetShares();

  const Options options_;
  double depth_ = 0;
  double depth_max_ = 0;
  traffic::FlowSampler::Shares shares_{};
  bool has_reading_ = false;
  Reading last_;
  double cpu_cores_ = 0;
  double smooth_cores_ = 0;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_BUDGET_CONTROLLER_H_
