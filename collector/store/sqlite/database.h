#ifndef SKIMWATCH_COLLECTOR_STORE_SQLITE_DATABASE_H_
#define SKIMWATCH_COLLECTOR_STORE_SQLITE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sqlite3.h"

namespace skimwatch::store::sqlite {

class Database;

// A prepared statement in use. Parameters are bound in order; the first error of preparing, binding
// or stepping sticks and is what Step and Run return, so that a call chain needs one check:
//
//   Statement select = db.Prepare("SELECT id FROM agents WHERE identity = ?");
//   select.Text(identity);
//   absl::StatusOr<bool> row = select.Step();
//   if (row.ok() && *row) id = select.GetInt(0);
//
// Not thread-safe, as its Database is not. Goes back to the database's cache when destroyed.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Int(int64_t value);
  // SQLite has no unsigned integers; the bits are kept.
  Statement& Unsigned(uint64_t value) { return Int(static_cast<int64_t>(value)); }
  Statement& Double(double value);
  Statement& Text(std::string_view value);
  Statement& Blob(std::string_view value);
  // Microseconds since the Unix epoch.
  Statement& Time(absl::Time value) { return Int(absl::ToUnixMicros(value)); }

  // True when there is a row to read, false at the end.
  absl::StatusOr<bool> Step();
  // Steps to the end.
  absl::Status Run();
  // Makes it ready for new parameters.
  void Reset();

  int64_t GetInt(int column) const { return sqlite3_column_int64(statement_, column); }
  uint64_t GetUnsigned(int column) const { return static_cast<uint64_t>(GetInt(column)); }
  // Valid until the next Step or Reset.
  std::string_view GetBytes(int column) const;
  double GetDouble(int column) const { return sqlite3_column_double(statement_, column); }
  absl::Time GetTime(int column) const { return absl::FromUnixMicros(GetInt(column)); }

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* statement, int code);
  void Keep(int code);

  Database* database_;
  sqlite3_stmt* statement_;
  int next_parameter_ = 1;
  int code_;
};

// One connection to a SQLite file. Not thread-safe: its owner guards it.
class Database {
 public:
  // Opens a file that exists.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, bool read_only);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // `sql` is one statement in static storage: statements are cached by it.
  Statement Prepare(std::string_view sql);
  // Runs one or more statements without parameters or results.
  absl::Status Execute(const char* sql);
  // Rows changed by the last statement.
  int64_t Changes() const { return sqlite3_changes64(handle_); }
  int64_t LastInsertId() const { return sqlite3_last_insert_rowid(handle_); }
  bool InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }

  // A result code as a status that names the file; codes as told in store.h.
  absl::Status ToStatus(int code) const;
  sqlite3* handle() { return handle_; }

 private:
  friend class Statement;
  explicit Database(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  sqlite3* handle_ = nullptr;
  // Statements not in use. Those in use are held by a Statement.
  absl::flat_hash_map<std::string_view, sqlite3_stmt*> idle_;
};

}  // namespace skimwatch::store::sqlite

#endif  // SKIMWATCH_COLLECTOR_STORE_SQLITE_DATABASE_H_
