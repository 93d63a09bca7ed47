#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_SETTINGS_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_SETTINGS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sql/database.h"

namespace skimwatch::store::sql {

inline constexpr std::string_view kPolicyVersion = "policy_version";
inline constexpr std::string_view kLostFindings = "lost_findings";

// Rows of the table `settings`; empty, or 0, where there is none.
absl::StatusOr<std::string> GetSetting(Database& database, std::string_view name);
absl::Status PutSetting(Database& database, std::string_view name, std::string_view value);
absl::StatusOr<uint64_t> GetNumber(Database& database, std::string_view name);
absl::Status PutNumber(Database& database, std::string_view name, uint64_t value);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_SETTINGS_H_
