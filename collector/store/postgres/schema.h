#ifndef SKIMWATCH_COLLECTOR_STORE_POSTGRES_SCHEMA_H_
#define SKIMWATCH_COLLECTOR_STORE_POSTGRES_SCHEMA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/postgres/connection.h"

namespace skimwatch::store::postgres {

// Number of the schema that this program writes. Older ones are brought up to it.
inline constexpr int64_t kSchemaVersion = 4;

// Rows of the table `locks`: what is claimed by its hash (see PostgresTransaction), and what there
// is one of.
inline constexpr uint64_t kHashedLocks = 1024;
inline constexpr uint64_t kSettingsLock = 1024;
inline constexpr uint64_t kDecisionsLock = 1025;
inline constexpr uint64_t kPartitionsLock = 1026;

// Makes the tables in the connection's schema (the first of its search_path) where there are none,
// or brings older ones up to date, in one transaction: they are of the old schema or of the new
// one, whatever happens meanwhile. Of several collectors that start at once, one does it and the
// others wait (an advisory lock). There is no way back.
//
// FAILED_PRECONDITION: tables of another program, a schema from a newer Skimwatch, or a database
// whose encoding is not UTF8.
absl::Status PrepareSchema(Connection& connection);

}  // namespace skimwatch::store::postgres

#endif  // SKIMWATCH_COLLECTOR_STORE_POSTGRES_SCHEMA_H_
