#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_DECISION_ROWS_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_DECISION_ROWS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sql/database.h"
#include "skimwatch/v1/audit.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::store::sql {

// Rows of the table `decisions`.

absl::StatusOr<std::optional<v1::Decision>> FindDecision(Database& db, int64_t id);

// Adds it behind the last one, seals it, and returns its id; id and seal of `decision` are ignored.
absl::StatusOr<uint64_t> AppendDecision(Database& db, v1::Decision decision);

absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(Database& db,
                                                        const v1::ListDecisionsRequest& request);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_DECISION_ROWS_H_
