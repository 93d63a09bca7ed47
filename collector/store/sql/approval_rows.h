#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_APPROVAL_ROWS_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_APPROVAL_ROWS_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sql/database.h"
#include "collector/store/store.h"
#include "collector/store/timestamp.h"
#include "skimwatch/v1/policy.pb.h"
#include "skimwatch/v1/query_service.pb.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::store::sql {

// A column `expires_at` of a message with a field of that name: 0 for no end. What ends before 1970
// ended then.
template <typename Message>
int64_t ExpiryColumn(const Message& message) {
  if (!message.has_expires_at()) return 0;
  return std::max<int64_t>(absl::ToUnixMicros(FromTimestamp(message.expires_at())), 1);
}

// What Store says of scripts' approvals, of a database; see there.
absl::StatusOr<v1::Policy> ScriptPolicy(Database& db, const std::vector<std::string>& sites,
                                        absl::Time now);
absl::StatusOr<absl::Time> NextApprovalEnd(Database& db);
absl::StatusOr<v1::ListPublishersResponse> ListPublishers(Database& db);
absl::StatusOr<std::vector<Summary::EndingApprovals>> CountEndingApprovals(Database& db,
                                                                           absl::Time now,
                                                                           absl::Duration within);

// Adds to a script who serves it, its profile and how many versions are known. `brief`, for lists,
// leaves out the profile's facts, and adds the record of the version that is served now.
absl::Status AddScriptDetails(Database& db, bool brief, v1::Script& script);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_APPROVAL_ROWS_H_
