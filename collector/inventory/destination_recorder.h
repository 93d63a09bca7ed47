#ifndef SKIMWATCH_COLLECTOR_INVENTORY_DESTINATION_RECORDER_H_
#define SKIMWATCH_COLLECTOR_INVENTORY_DESTINATION_RECORDER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/store/destination_state.h"
#include "collector/store/transaction.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::inventory {

// The approvals of each site that are in force, read once: no approval may be given or taken back
// in the transaction meanwhile. The transaction must outlive it.
class ApprovalsOfSites {
 public:
  ApprovalsOfSites(store::Transaction* transaction, absl::Time now)
      : transaction_(*transaction), now_(now) {}

  absl::StatusOr<const store::DestinationStates*> Of(const std::string& site);

 private:
  store::Transaction& transaction_;
  const absl::Time now_;
  std::map<std::string, store::DestinationStates> sites_;
};

// Brings the inventory up to date with what `agent` reported of a destination, and opens the
// destination's exposure where it is new or takes what can't be read. Returns the id of the
// exposure that the finding belongs to, 0 for none.
//
// What counts is what the collector approves, whatever the agent knew when it judged. A proposal
// (what was seen while the agent learned) opens none, as with scripts.
absl::StatusOr<uint64_t> RecordDestinationChange(store::Transaction& transaction,
                                                 exposure::ExposureFolder& folder,
                                                 ApprovalsOfSites& approvals,
                                                 const v1::Finding& finding,
                                                 const std::string& agent);

// The approvals of a site that are in force, as the transaction has them.
absl::StatusOr<store::DestinationStates> StatesOf(store::Transaction& transaction,
                                                  const std::string& site, absl::Time now);

}  // namespace skimwatch::inventory

#endif  // SKIMWATCH_COLLECTOR_INVENTORY_DESTINATION_RECORDER_H_
