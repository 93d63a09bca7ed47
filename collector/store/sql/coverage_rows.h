#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_COVERAGE_ROWS_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_COVERAGE_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sql/database.h"
#include "skimwatch/v1/report.pb.h"

namespace skimwatch::store::sql {

// Rows of the table `coverage_hours`.

absl::Status AddToCoverageHour(Database& db, int64_t agent_id, const v1::AgentCoverage& more,
                               absl::Time at);

absl::StatusOr<std::vector<v1::AgentCoverage>> ListCoverage(Database& db, absl::Time since,
                                                            absl::Time until);

// Deletes the oldest hour that ended before `cutoff`.
absl::Status DeleteCoverageHourBefore(Database& db, absl::Time cutoff);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_COVERAGE_ROWS_H_
