#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_SINK_ROWS_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_SINK_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sink.h"
#include "collector/store/sql/database.h"

namespace skimwatch::store::sql {

// Rows of the tables `commits`, `commit_ends`, `sinks`, `sink_positions` and `sink_exposures`; see
// collector/store/sink.h.

// A database's types, and what stands behind a table that is its primary key.
struct SinkColumns {
  std::string integer;
  std::string text;
  std::string blob;
  std::string suffix;
};

absl::Status CreateSinkTables(Database& db, const SinkColumns& columns);

// Adds what a transaction did to the commits of `collector`: how many findings it stored at which
// time, and which exposures it changed at `changed_at`. Last in the transaction: until its end,
// nobody else gets a number of this collector.
absl::Status AppendCommits(Database& db, std::string_view collector,
                           const std::map<absl::Time, uint64_t>& findings,
                           const std::set<uint64_t>& exposures, absl::Time changed_at);

// Deletes commits that were made before `cutoff`, at most `commits_max` of each collector.
absl::Status DeleteCommitsBefore(Database& db, absl::Time cutoff, uint64_t commits_max);

absl::StatusOr<Changes> ReadChanges(Database& db, const std::vector<CommitPosition>& after,
                                    size_t findings_max);
absl::StatusOr<std::vector<ExposureRevision>> ReadExposureRevisions(
    Database& db, std::string_view sink, const std::vector<uint64_t>& ids);
absl::StatusOr<std::vector<uint64_t>> ListDueExposures(Database& db, std::string_view sink,
                                                       absl::Time now, size_t exposures_max);
absl::StatusOr<SinkState> ReadSink(Database& db, std::string_view name);

absl::StatusOr<bool> TakeSink(Database& db, std::string_view name, std::string_view holder,
                              const SinkState& seen, bool from_beginning);
absl::Status SaveSink(Database& db, const SinkProgress& progress);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_SINK_ROWS_H_
