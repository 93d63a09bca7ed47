#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_STREAM_NAMES_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_STREAM_NAMES_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sql/database.h"

namespace skimwatch::store::sql {

// Names a stream's agent and epoch, remembering them for the length of a query.
class StreamNames {
 public:
  struct Name {
    std::string agent;
    uint64_t epoch = 0;
  };

  explicit StreamNames(Database& db) : db_(db) {}

  absl::StatusOr<const Name*> Find(int64_t stream_id) {
    if (const auto it = names_.find(stream_id); it != names_.end()) return &it->second;
    Statement select = db_.Prepare(
        "SELECT identity, epoch FROM streams JOIN agents ON agents.id = agent_id"
        " WHERE streams.id = ?");
    absl::StatusOr<bool> row = select.Int(stream_id).Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::DataLossError("a stored finding names a stream that is not there");
    Name name = {.agent = std::string(select.GetBytes(0)), .epoch = select.GetUnsigned(1)};
    return &names_.emplace(stream_id, std::move(name)).first->second;
  }

 private:
  Database& db_;
  absl::flat_hash_map<int64_t, Name> names_;
};

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_STREAM_NAMES_H_
