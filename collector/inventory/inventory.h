#ifndef SKIMWATCH_COLLECTOR_INVENTORY_INVENTORY_H_
#define SKIMWATCH_COLLECTOR_INVENTORY_INVENTORY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/publisher/publishers.h"
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
            std::function<absl::Time()> now = absl::Now, publisher::Publishers publishers = {});

  // Approves the version that is served now, in the name of `who`, and closes the exposure that it
  // opened when no other agent serves another version without approval. With `profile`, what it
  // does is approved in its place: as the script's behaviour profile, in place of the one in force.
  // INVALID_ARGUMENT: no justification, an end that is not in the future, or not a hash.
  // NOT_FOUND: no such script or version. FAILED_PRECONDITION: no agent serves this version any
  // more; it was not judged whole, so that it can't be a profile. UNAVAILABLE: what it does is not
  // known yet; the agents that serve it are asked, whether there is a justification or not.
  absl::StatusOr<v1::Script> Approve(const v1::ApproveScriptRequest& request, std::string_view who);

  // Takes an approval back; the script becomes CHANGED where the version is served, and an exposure
  // is opened for it. With `profile`, the script's behaviour profile and the approval of every
  // version that was accepted by it.
  // INVALID_ARGUMENT: no reason, or not a hash. NOT_FOUND: no such script or version.
  // FAILED_PRECONDITION: the version is not approved, or there is no profile.
  absl::StatusOr<v1::Script> Revoke(const v1::RevokeScriptRequest& request, std::string_view who);

  // Says who answers for a script, and why the page needs it. INVALID_ARGUMENT: nothing to set, or
  // a text that is too long. NOT_FOUND: no such script.
  absl::StatusOr<v1::Script> Describe(const v1::DescribeScriptRequest& request,
                                      std::string_view who);

  // Takes a publisher's list in place of the one before it: approves the known versions that it
  // names, and withdraws what the publisher approved and it does not name. Errors as of
  // Publishers::Check; FAILED_PRECONDITION: a list that is older than the one in force, or another
  // one with its serial.
  absl::StatusOr<v1::ImportPublisherListResponse> ImportPublisherList(
      const v1::ImportPublisherListRequest& request, std::string_view who);
  // Holds the lists in the store against the configuration of now: of a publisher that is no longer
  // configured, or whose list its keys or scope no longer allow, everything is withdrawn. Call at
  // the start.
  absl::Status CheckStoredLists();

  // Notes approvals and profiles whose time is over, opens the exposures that follow, and tells the
  // agents. Returns how many.
  absl::StatusOr<uint64_t> EndApprovals();

  // The publishers of the configuration, with what of their lists is in force.
  absl::StatusOr<v1::ListPublishersResponse> ListPublishers();

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
  absl::StatusOr<v1::Script> ApproveProfile(const v1::ApproveScriptRequest& request,
                                            std::string_view who);
  absl::StatusOr<v1::Script> RevokeProfile(const v1::RevokeScriptRequest& request,
                                           std::string_view who);

  store::Store* const store_;
  const std::function<void()> on_policy_change_;
  const std::function<absl::Time()> now_;
  const publisher::Publishers publishers_;
};

// What decisions about scripts check of a request: a text that people will read, in writing (PCI
// DSS 6.4.3), and a hash of 32 bytes.
absl::Status CheckReason(std::string_view field, const std::string& text);
absl::Status CheckHash(const std::string& sha256);
// The script, when it has the version.
absl::StatusOr<v1::Script> FindVersion(store::Transaction& transaction, const std::string& site,
                                       const std::string& name, const std::string& sha256);
absl::StatusOr<bool> IsServed(store::Transaction& transaction, const std::string& site,
                              const std::string& name, const std::string& sha256);

}  // namespace skimwatch::inventory

#endif  // SKIMWATCH_COLLECTOR_INVENTORY_INVENTORY_H_
