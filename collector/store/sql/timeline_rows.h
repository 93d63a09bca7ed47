#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_TIMELINE_ROWS_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_TIMELINE_ROWS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sql/database.h"
#include "collector/store/store.h"

namespace skimwatch::store::sql {

// What a timeline is made of: rows of the table `exposure_hours`, and what other tables tell of one
// exposure. See store.h.

// Makes the table; `integer` is the database's type of 64 bits. Cards of exposures that are there
// already go to the hours in which they were first seen; when their findings came is not known any
// more.
absl::Status AddExposureHours(Database& db, std::string_view integer);

absl::Status AddGrowth(Database& db, uint64_t exposure_id, const v1::ExposureGrowth& more);
absl::StatusOr<std::vector<v1::ExposureGrowth>> ListGrowth(Database& db, uint64_t exposure_id);
absl::StatusOr<std::vector<v1::Exposure>> ListExposuresOfWay(Database& db, const ExposureKey& key);
absl::StatusOr<std::vector<HourOfCoverage>> ListCoverageHours(Database& db, std::string_view agent,
                                                              absl::Time since, absl::Time until);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_TIMELINE_ROWS_H_
