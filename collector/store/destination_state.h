#ifndef SKIMWATCH_COLLECTOR_STORE_DESTINATION_STATE_H_
#define SKIMWATCH_COLLECTOR_STORE_DESTINATION_STATE_H_

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/destination/approved_destinations.h"
#include "skimwatch/v1/destination.pb.h"

namespace skimwatch::store {

// The approvals that decide on destinations' states. Thread-compatible.
class DestinationStates {
 public:
  explicit DestinationStates(absl::Time now) : now_(now) {}

  // Adds an approval that is not revoked. DATA_LOSS when its pattern can't be read.
  absl::Status Add(const v1::DestinationApproval& approval);

  // The approval in force that covers a destination, or null.
  const v1::DestinationApproval* Find(const v1::Destination& destination) const;

  // Sets `state` and `approval`: what was approved once, or reported as new, is without approval
  // unapproved, anything else proposed.
  void Fill(v1::Destination& destination) const;

 private:
  const absl::Time now_;
  destination::ApprovedDestinations index_;
  std::vector<v1::DestinationApproval> approvals_;
};

// When an approval ends.
absl::Time EndOf(const v1::DestinationApproval& approval);

}  // namespace skimwatch::store

#endif  // SKIMWATCH_COLLECTOR_STORE_DESTINATION_STATE_H_
