#ifndef SKIMWATCH_AGENT_UPLINK_BACKOFF_H_
#define SKIMWATCH_AGENT_UPLINK_BACKOFF_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace skimwatch::uplink {

// How long to wait before the next attempt to connect. Grows exponentially, with full jitter: any
// time from nothing to the bound, so that a thousand agents that lost one collector at the same
// moment do not come back at the same moment. Thread-compatible.
class Backoff {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(500);

  // `random` gives 64 random bits.
  Backoff(absl::Duration max, std::function<uint64_t()> random)
      : max_(std::max(max, kFirst)), random_(std::move(random)) {}

  // After a failure that may pass by itself.
  absl::Duration Next() {
    const absl::Duration bound = bound_;
    bound_ = std::min(bound_ * 2, max_);
    return bound * Unit();
  }

  // After a refusal that stands until a person changes something: slow from the start, between half
  // the longest wait and all of it.
  absl::Duration NextAfterRefusal() {
    bound_ = max_;
    return max_ * (0.5 + 0.5 * Unit());
  }

  // After a connection that proved good.
  void Reset() { bound_ = kFirst; }

 private:
  // In [0, 1).
  double Unit() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

  const absl::Duration max_;
  const std::function<uint64_t()> random_;
  absl::Duration bound_ = kFirst;
};

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_BACKOFF_H_
