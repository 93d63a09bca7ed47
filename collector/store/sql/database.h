#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_DATABASE_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_DATABASE_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

// SQL that SQLite and PostgreSQL both take, so that what the stores keep is read and written by one
// code. What differs (the schema, how findings come in, what is locked) is in the folders of the
// two. To stay within both:
//
//   - parameters are `?`, in order; nothing else in a statement is a `?`
//   - integers are 64 bits, times are microseconds since the Unix epoch
//   - ids of new rows come by RETURNING
//   - ON CONFLICT names its columns, and columns of the row that is there are written with its
//   table
//   - sums of integers are CAST to BIGINT, or summed as DOUBLE PRECISION where they may overflow
//   - no max(a, b), no ifnull, no bare column beside an aggregate
namespace skimwatch::store::sql {

class Database;

// What a database has behind a Statement.
class PreparedStatement {
 public:
  virtual ~PreparedStatement() = default;
  // The next parameter. An error is kept for Step.
  virtual void BindInt(int64_t value) = 0;
  virtual void BindDouble(double value) = 0;
  virtual void BindText(std::string_view value) = 0;
  virtual void BindBlob(std::string_view value) = 0;
  virtual absl::StatusOr<bool> Step() = 0;
  virtual void Reset() = 0;
  // Of the row that Step came to; NULL is 0 or empty.
  virtual int64_t GetInt(int column) const = 0;
  virtual double GetDouble(int column) const = 0;
  virtual std::string_view GetBytes(int column) const = 0;
};

// A prepared statement in use. Parameters are bound in order; the first error of preparing, binding
// or stepping sticks and is what Step and Run return, so that a call chain needs one check:
//
//   Statement select = db.Prepare("SELECT id FROM agents WHERE identity = ?");
//   select.Text(identity);
//   absl::StatusOr<bool> row = select.Step();
//   if (row.ok() && *row) id = select.GetInt(0);
//
// Not thread-safe, as its Database is not. Goes back to the database when destroyed.
class Statement {
 public:
  Statement(Database* database, PreparedStatement* prepared)
      : database_(database), prepared_(prepared) {}
  Statement(Statement&& other) noexcept
      : database_(other.database_), prepared_(std::exchange(other.prepared_, nullptr)) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;
  inline ~Statement();

  Statement& Int(int64_t value) {
    prepared_->BindInt(value);
    return *this;
  }
  // Databases have no unsigned integers; the bits are kept.
  Statement& Unsigned(uint64_t value) { return Int(static_cast<int64_t>(value)); }
  Statement& Double(double value) {
    prepared_->BindDouble(value);
    return *this;
  }
  Statement& Text(std::string_view value) {
    prepared_->BindText(value);
    return *this;
  }
  Statement& Blob(std::string_view value) {
    prepared_->BindBlob(value);
    return *this;
  }
  // Microseconds since the Unix epoch.
  Statement& Time(absl::Time value) { return Int(absl::ToUnixMicros(value)); }

  // True when there is a row to read, false at the end.
  absl::StatusOr<bool> Step() { return prepared_->Step(); }
  // Steps to the end.
  absl::Status Run() {
    while (true) {
      absl::StatusOr<bool> row = Step();
      if (!row.ok()) return row.status();
      if (!*row) return absl::OkStatus();
    }
  }

  int64_t GetInt(int column) const { return prepared_->GetInt(column); }
  uint64_t GetUnsigned(int column) const { return static_cast<uint64_t>(GetInt(column)); }
  // Valid until the next Step.
  std::string_view GetBytes(int column) const { return prepared_->GetBytes(column); }
  double GetDouble(int column) const { return prepared_->GetDouble(column); }
  absl::Time GetTime(int column) const { return absl::FromUnixMicros(GetInt(column)); }

 private:
  Database* database_;
  PreparedStatement* prepared_;
};

// One connection. Not thread-safe: its owner guards it.
class Database {
 public:
  virtual ~Database() = default;

  // `sql` is one statement in static storage: statements are cached by it. Its whole result may be
  // fetched by the first Step.
  Statement Prepare(std::string_view sql) { return Statement(this, Take(sql)); }
  // The same for a query whose result is large, or of which perhaps only the beginning is read:
  // rows are fetched as they are stepped to.
  Statement Scan(std::string_view sql) { return Statement(this, TakeScan(sql)); }
  // Runs one or more statements without parameters or results.
  virtual absl::Status Execute(const char* sql) = 0;
  // Rows changed by the last statement.
  virtual int64_t Changes() const = 0;

 private:
  friend class Statement;
  // A statement that nobody uses; valid until it is given back.
  virtual PreparedStatement* Take(std::string_view sql) = 0;
  virtual PreparedStatement* TakeScan(std::string_view sql) { return Take(sql); }
  virtual void GiveBack(PreparedStatement* prepared) = 0;
};

Statement::~Statement() {
  if (prepared_ != nullptr) database_->GiveBack(prepared_);
}

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_DATABASE_H_
