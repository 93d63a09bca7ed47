#ifndef SKIMWATCH_COLLECTOR_STORE_POSTGRES_CONNECTION_H_
#define SKIMWATCH_COLLECTOR_STORE_POSTGRES_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/postgres/conninfo.h"
#include "collector/store/sql/database.h"
#include "libpq-fe.h"

namespace skimwatch::store::postgres {

class PreparedQuery;
class CursorQuery;

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

// A parameter or a field, with its format: 0 is text, 1 binary.
struct Value {
  std::string bytes;
  int format = 0;
};

// One connection to a PostgreSQL server. Not thread-safe: its owner guards it.
//
// Every command ends by its deadline: a server that does not answer costs the connection, not the
// thread. After that, and after every other loss of the connection, IsUsable is false and all calls
// fail.
//
// Errors carry the server's message and SQLSTATE, never its detail, which may quote data:
//   UNAVAILABLE        connection lost or refused, no answer in time, a lock not to be had, the
//                      server starts, stops or became a standby, rights that are missing
//   RESOURCE_EXHAUSTED disk full, out of memory
//   DATA_LOSS          damaged data or index
//   INVALID_ARGUMENT   a text that is not UTF-8 or holds a zero byte
//   INTERNAL           anything else
class Connection : public sql::Database {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Conninfo& conninfo,
                                                          absl::Duration command_timeout);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status Execute(const char* sql) override;
  // Commits. An error as well where the server answers with a rollback, because something before
  // failed, or with a warning: that it did not wait for its standbys is no more than that to
  // PostgreSQL.
  absl::Status Commit();
  int64_t Changes() const override { return changes_; }

  // Runs a prepared statement with `$1`, ... as parameters. `sql` is in static storage.
  absl::StatusOr<Result> Query(std::string_view sql, const std::vector<Value>& parameters);
  // `sql` is a COPY ... FROM STDIN (FORMAT binary), `rows` what it reads, without header and end.
  absl::Status Copy(const char* sql, std::string_view rows);

  bool IsUsable() const;
  bool InTransaction() const;
  // Of the last command that failed on the server since ClearError, or empty.
  const std::string& sqlstate() const { return sqlstate_; }
  void ClearError() { sqlstate_.clear(); }

 private:
  friend class PreparedQuery;
  friend class CursorQuery;

  Connection(PGconn* connection, std::string description, absl::Duration command_timeout);
  sql::PreparedStatement* Take(std::string_view sql) override;
  sql::PreparedStatement* TakeScan(std::string_view sql) override;
  void GiveBack(sql::PreparedStatement* prepared) override;

  // The server's name for `sql`, prepared where it was not.
  absl::StatusOr<std::string> NameOf(std::string_view sql);
  absl::StatusOr<Result> QueryOnce(const char* sql, const std::vector<Value>& parameters);
  absl::StatusOr<Result> SendQuery(const char* name_or_sql, bool is_prepared,
                                   const std::vector<Value>& parameters);
  // Waits until the socket is ready for what libpq wants next.
  absl::Status WaitForSocket(bool for_writing);
  absl::Status FlushOutput();
  // Takes results up to the end of the command, and returns the last one or the first error.
  absl::StatusOr<Result> TakeResults();
  absl::Status ToStatus(const PGresult* result);
  absl::Status Lost(std::string_view what);
  static void OnNotice(void* self, const PGresult* notice);

  PGconn* const connection_;
  const std::string description_;
  const absl::Duration command_timeout_;
  absl::Time deadline_;
  bool lost_ = false;
  int64_t changes_ = 0;
  std::string sqlstate_;
  std::string warning_;
  uint64_t names_ = 0;
  absl::flat_hash_map<std::string_view, std::string> prepared_;
  absl::flat_hash_map<std::string_view, std::unique_ptr<PreparedQuery>> idle_;
};

}  // namespace skimwatch::store::postgres

#endif  // SKIMWATCH_COLLECTOR_STORE_POSTGRES_CONNECTION_H_
