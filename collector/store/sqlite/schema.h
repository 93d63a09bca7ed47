#ifndef SKIMWATCH_COLLECTOR_STORE_SQLITE_SCHEMA_H_
#define SKIMWATCH_COLLECTOR_STORE_SQLITE_SCHEMA_H_

#include "absl/status/status.h"
#include "collector/store/sqlite/database.h"

namespace skimwatch::store::sqlite {

// Number of the schema that this program writes. Older ones are brought up to it.
inline constexpr int kSchemaVersion = 1;

// Makes an empty file a store, or checks that the file is one that this program understands.
// FAILED_PRECONDITION: another program's file, or a schema from a newer Skimwatch.
absl::Status PrepareSchema(Database& database);

}  // namespace skimwatch::store::sqlite

#endif  // SKIMWATCH_COLLECTOR_STORE_SQLITE_SCHEMA_H_
