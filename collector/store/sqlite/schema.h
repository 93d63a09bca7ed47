#ifndef SKIMWATCH_COLLECTOR_STORE_SQLITE_SCHEMA_H_
#define SKIMWATCH_COLLECTOR_STORE_SQLITE_SCHEMA_H_

#include "absl/status/status.h"
#include "collector/store/sqlite/database.h"

namespace skimwatch::store::sqlite {

// Number of the schema that this program writes. Older ones are brought up to it.
inline constexpr int kSchemaVersion = 5;

// Makes an empty file a store, or brings an older one up to this schema, in one transaction: a file
// is of the old schema or of the new one, whatever happens meanwhile. There is no way back.
// FAILED_PRECONDITION: another program's file, or a schema from a newer Skimwatch.
absl::Status PrepareSchema(Database& database);

}  // namespace skimwatch::store::sqlite

#endif  // SKIMWATCH_COLLECTOR_STORE_SQLITE_SCHEMA_H_
