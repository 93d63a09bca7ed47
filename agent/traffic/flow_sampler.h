#ifndef SKIMWATCH_AGENT_TRAFFIC_FLOW_SAMPLER_H_
#define SKIMWATCH_AGENT_TRAFFIC_FLOW_SAMPLER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "agent/traffic/ip_address.h"
#include "agent/traffic/sampling_classes.h"
#include "agent/traffic/sip_hash.h"

namespace skimwatch::traffic {

// What was decided on a piece of a flow: on all of it, on one of its messages, or on a window of a
// long one.
struct SampleDecision {
  bool chosen = true;
  Priority priority = Priority::kNormal;
  // With which it was chosen, or would have been, in (0, 1].
  double probability = 1;
  // What was drawn for; pieces of one unit are in the sample together, those of two units
  // independently of each other.
  uint64_t unit = 0;
};

// What a flow as a whole drew.
struct FlowDraw {
  uint64_t unit = 0;
  // The probability with which it is followed at all: nothing of it can be in the sample with a
  // greater one, though shares may have grown since it began.
  double followed = 1;
};

// Chooses which flows are scanned, by a keyed hash of their endpoints: whole flows, both directions
// alike, and the same ones after a restart as long as the key is the same. A flow that is chosen at
// one share is chosen at every greater one.
//
// Each priority has a share of its own, which may change at any time. A flow begins with normal
// priority; each of its messages is decided by the priority that it turns out to have, with the
// flow's own hash. Thus a flow whose hash is beyond the share of every priority need not be
// followed at all.
//
// Of a flow that carries more than kWindowBytes each further window of as many bytes is a unit of
// its own, so that one connection that carries everything can be scanned in part.
//
// Thread-safe; wait-free but for SetClasses.
class FlowSampler {
 public:
  using Shares = std::array<double, static_cast<size_t>(Priority::kCount)>;
  static constexpr uint64_t kWindowBytes = uint64_t{1} << 20;

  explicit FlowSampler(const SipKey& key, const Shares& shares = {1, 1, 1});
  // Every priority has `share`; for captures that are read from files, and for tests.
  static std::shared_ptr<FlowSampler> WithShare(double share);

  // In (0, 1] each, rising with the priority.
  void SetShares(const Shares& shares);
  double share(Priority priority) const {
    return shares_[static_cast<size_t>(priority)].load(std::memory_order_relaxed);
  }
  // Everything is scanned now.
  bool takes_all() const { return takes_all_.load(std::memory_order_relaxed); }

  void SetClasses(std::shared_ptr<const SamplingClasses> classes) { classes_ = std::move(classes); }
  // What the classes say of a message; kNormal where there are none.
  Priority PriorityOf(const SampledMessage& message) const;

  // For a flow between `a` and `b` that begins now; nothing where it need not be followed.
  std::optional<FlowDraw> Follow(const Endpoint& a, const Endpoint& b) const;
  // The unit that a whole flow between `a` and `b`, in either order, is.
  uint64_t UnitOf(const Endpoint& a, const Endpoint& b) const;
  // Of window number `window`, from 1, of what `end` (0 or 1) sends in the flow of unit `flow`.
  uint64_t UnitOfWindow(uint64_t flow, int end, uint64_t window) const;

  SampleDecision Decide(uint64_t unit, Priority priority) const;

 private:
  const SipKey key_;
  std::array<std::atomic<double>, static_cast<size_t>(Priority::kCount)> shares_;
  std::atomic<bool> takes_all_{true};
  std::atomic<std::shared_ptr<const SamplingClasses>> classes_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_FLOW_SAMPLER_H_
