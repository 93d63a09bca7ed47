#ifndef SKIMWATCH_COLLECTOR_INVENTORY_SCRIPT_RECORDER_H_
#define SKIMWATCH_COLLECTOR_INVENTORY_SCRIPT_RECORDER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/store/transaction.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::inventory {

// Bound of the agents that a version's record names.
inline constexpr int kAgentsMax = 64;

// Brings the inventory up to date with a script change that `agent` reported, and opens or closes
// the script's exposure. Returns the id of the exposure that the finding belongs to, 0 for none.
//
// What counts is what the collector approves, whatever the agent knew when it judged: a version
// without approval that was added, changed or brought back opens an exposure, and one is closed
// when no agent serves such a version any more. A proposal (the first look at a web root) opens
// none.
//
// A version without approval is approved here where a publisher's list names it or the script's
// behaviour profile covers what the agent says it does (script_approvals.h). What agents accepted
// by a profile is compared again; an agent that finds more in a version than another one said takes
// its acceptance away. `approvals_changed` is set where approvals came or went.
absl::StatusOr<uint64_t> RecordScriptChange(store::Transaction& transaction,
                                            exposure::ExposureFolder& folder,
                                            const v1::Finding& finding, const std::string& agent,
                                            absl::Time now, bool* approvals_changed = nullptr);

// The script's state from what the agents serve and what is approved at `now`: as bad as the worst
// of them. Also sets `current` to the version that decides.
absl::Status RefreshState(store::Transaction& transaction, v1::Script& script, absl::Time now);

}  // namespace skimwatch::inventory

#endif  // SKIMWATCH_COLLECTOR_INVENTORY_SCRIPT_RECORDER_H_
