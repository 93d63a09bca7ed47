#ifndef SKIMWATCH_COLLECTOR_INVENTORY_SCRIPT_APPROVALS_H_
#define SKIMWATCH_COLLECTOR_INVENTORY_SCRIPT_APPROVALS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/store/transaction.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::inventory {

// When an approval ends; InfiniteFuture where it does not.
absl::Time EndOf(const v1::ScriptApproval& approval);

// `site/name@sha256`, as decisions name a version.
std::string SubjectOf(const std::string& site, const std::string& name, const std::string& sha256);

// The approval of a version that holds at `now`.
absl::StatusOr<std::optional<store::StoredScriptApproval>> FindApproval(
    store::Transaction& transaction, const std::string& site, const std::string& name,
    const std::string& sha256, absl::Time now);

// Approves a version that has no approval where a publisher's list names it or the script's profile
// covers its behaviour; never one whose approval a person took back. Records that as a decision of
// the collector's and advances the policy's version. Sets `record.not_covered`; the caller stores
// the record. True where the version was approved.
absl::StatusOr<bool> AcceptVersion(store::Transaction& transaction, const std::string& site,
                                   const std::string& name, v1::ScriptRecord& record,
                                   absl::Time now);

// Ends an approval in the collector's name, records that as a decision, and advances the policy's
// version.
absl::Status WithdrawApproval(store::Transaction& transaction, store::StoredScriptApproval stored,
                              const std::string& reason, absl::Time now);

// What follows for a script of which approvals came or went: its state, and its exposure, which is
// closed in the name of `who` where nobody serves a version without approval any more, and opened
// by `rule` where somebody does. Returns the script.
struct Consequences {
  std::string who;
  std::string close_reason;
  std::string rule;
  v1::Severity severity = v1::SEVERITY_HIGH;
};
absl::StatusOr<v1::Script> DrawConsequences(store::Transaction& transaction,
                                            exposure::ExposureFolder& folder,
                                            const std::string& site, const std::string& name,
                                            const Consequences& consequences, absl::Time now);

}  // namespace skimwatch::inventory

#endif  // SKIMWATCH_COLLECTOR_INVENTORY_SCRIPT_APPROVALS_H_
