#ifndef SKIMWATCH_COLLECTOR_INVENTORY_INVENTORY_H_
#define SKIMWATCH_COLLECTOR_INVENTORY_INVENTORY_H_

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::inventory {

// Decisions about scripts and destinations: who said that a version may run (PCI DSS 6.4.3), or
// that data may go somewhere, and why. Each is kept for ever, and changes the policy of every agent
// that reports for the site.
//
// Thread-safe; the store must outlive it.
class Inventory {
 public:
  // `on_policy_change` is called after a decision was committed, on the caller's thread; it must
  // push the new policy without waiting for anybody.
  Inventory(store::Store* store, std::function<void()> on_policy_change,
            std::function<absl::Time()> now = absl::Now);

  // Approves the version that is served now, in the name of `who`, and closes the exposure that it
  // opened when no other agent serves another version without approval.
  // INVALID_ARGUMENT: no justification, or not a hash. NOT_FOUND: no such script or version.
  // FAILED_PRECONDITION: no agent serves this version any more.
  absl::StatusOr<v1::Script> Approve(const v1::ApproveScriptRequest& request, std::string_view who);

  // Takes an approval back; the script becomes CHANGED where the version is served, and an exposure
  // is opened for it.
  // INVALID_ARGUMENT: no reason, or not a hash. NOT_FOUND: no such script or version.
  // FAILED_PRECONDITION: the version is not approved.
  absl::StatusOr<v1::Script> Revoke(const v1::RevokeScriptRequest& request, std::string_view who);

  // Approves the destinations that a pattern covers, in place of an approval of the same pattern
  // and process, and closes the exposures of destinations that are approved for every process by
  // it. INVALID_ARGUMENT: no site or justification, a bad pattern, or an end that is not in the
  // future.
  absl::StatusOr<v1::ApproveDestinationResponse> ApproveDestination(
      const v1::ApproveDestinationRequest& request, std::string_view who);

  // Takes an approval back, and opens exposures for what it covered alone and what was seen in the
  // last seven days. INVALID_ARGUMENT: no site or reason, or a bad pattern. NOT_FOUND: no such
  // approval is in force.
  absl::StatusOr<v1::RevokeDestinationResponse> RevokeDestination(
      const v1::RevokeDestinationRequest& request, std::string_view who);

 private:
  store::Store* const store_;
  const std::function<void()> on_policy_change_;
  const std::function<absl::Time()> now_;
};

}  // namespace skimwatch::inventory

#endif  // SKIMWATCH_COLLECTOR_INVENTORY_INVENTORY_H_
