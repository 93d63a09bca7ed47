#ifndef SKIMWATCH_AGENT_BUDGET_KEEPER_H_
#define SKIMWATCH_AGENT_BUDGET_KEEPER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/budget_controller.h"
#include "agent/traffic/flow_sampler.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// Holds the budget of the configuration: reads once a second what the process uses, and sets the
// shares of the sampler as the BudgetController says. What is on disk is looked at every half
// minute; the spool has a limit of its own, so that the disk has no say in the sampling, but being
// above the budget is logged and shown.
//
// Does nothing where there is no budget. Thread-safe.
class BudgetKeeper {
 public:
  // The shares of the sampler are set at once. `dropped_packets` says how many packets the kernel
  // has dropped; it is called from Start to Stop.
  BudgetKeeper(const config::v1::AgentConfig& config, std::shared_ptr<traffic::FlowSampler> sampler,
               std::function<uint64_t()> dropped_packets);
  // Stops.
  ~BudgetKeeper();
  BudgetKeeper(const BudgetKeeper&) = delete;
  BudgetKeeper& operator=(const BudgetKeeper&) = delete;

  void Start();
  // Idempotent.
  void Stop();

  pipeline::AgentSnapshot::Budget GetState() const;

 private:
  void Run();
  void Look();
  void LookAtDisk();

  const config::v1::Budget budget_;
  const std::vector<std::string> directories_;
  const std::shared_ptr<traffic::FlowSampler> sampler_;
  const std::function<uint64_t()> dropped_packets_;
  absl::Notification stop_;
  std::thread thread_;
  // The thread's own.
  pipeline::BudgetController controller_;
  // Of the share of normal priority that was logged last.
  double logged_share_ = 0;
  bool over_disk_ = false;

  mutable absl::Mutex mutex_;
  pipeline::AgentSnapshot::Budget state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_BUDGET_KEEPER_H_
