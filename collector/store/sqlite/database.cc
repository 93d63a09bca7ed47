#include "collector/store/sqlite/database.h"

#include "absl/strings/str_cat.h"

namespace skimwatch::store::sqlite {
namespace {

// Another process (a backup, the sqlite3 shell) may hold a lock for a moment.
constexpr int kBusyTimeoutMs = 5000;

}  // namespace

// A statement of one connection.
class SqliteStatement : public sql::PreparedStatement {
 public:
  SqliteStatement(const Database* database, std::string_view sql, sqlite3_stmt* statement, int code)
      : sql_(sql), database_(*database), statement_(statement), code_(code) {}
  ~SqliteStatement() override { sqlite3_finalize(statement_); }
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  void BindInt(int64_t value) override {
    Keep(sqlite3_bind_int64(statement_, next_parameter_++, value));
  }
  void BindDouble(double value) override {
    Keep(sqlite3_bind_double(statement_, next_parameter_++, value));
  }
  void BindText(std::string_view value) override {
    // A null pointer would bind NULL.
    Keep(sqlite3_bind_text64(statement_, next_parameter_++, value.empty() ? "" : value.data(),
                             value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  void BindBlob(std::string_view value) override {
    Keep(sqlite3_bind_blob64(statement_, next_parameter_++, value.empty() ? "" : value.data(),
                             value.size(), SQLITE_TRANSIENT));
  }

  absl::StatusOr<bool> Step() override {
    if (code_ != SQLITE_OK) return database_.ToStatus(code_);
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    Keep(code);
    return database_.ToStatus(code);
  }

  void Reset() override {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    next_parameter_ = 1;
  }

  int64_t GetInt(int column) const override { return sqlite3_column_int64(statement_, column); }
  double GetDouble(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string_view GetBytes(int column) const override {
    const void* data = sqlite3_column_blob(statement_, column);
    if (data == nullptr) return {};
    return {static_cast<const char*>(data),
            static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }

  std::string_view sql() const { return sql_; }
  bool ok() const { return code_ == SQLITE_OK; }

 private:
  void Keep(int code) {
    if (code_ == SQLITE_OK) code_ = code;
  }

  const std::string_view sql_;
  const Database& database_;
  sqlite3_stmt* const statement_;
  int next_parameter_ = 1;
  int code_;
};

Database::Database(std::string path) : path_(std::move(path)) {}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, bool read_only) {
  std::unique_ptr<Database> database(new Database(path));
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &database->handle_, flags, nullptr);
  if (code != SQLITE_OK) return database->ToStatus(code);
  sqlite3_busy_timeout(database->handle_, kBusyTimeoutMs);
  return database;
}

Database::~Database() {
  idle_.clear();
  sqlite3_close_v2(handle_);
}

sql::PreparedStatement* Database::Take(std::string_view sql) {
  if (const auto it = idle_.find(sql); it != idle_.end()) {
    SqliteStatement* statement = it->second.release();
    idle_.erase(it);
    return statement;
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return std::make_unique<SqliteStatement>(this, sql, statement, code).release();
}

void Database::GiveBack(sql::PreparedStatement* prepared) {
  std::unique_ptr<SqliteStatement> statement(static_cast<SqliteStatement*>(prepared));
  if (!statement->ok()) return;
  statement->Reset();
  // The same statement may have been in use twice; one of them is enough to keep.
  const std::string_view sql = statement->sql();
  idle_.try_emplace(sql, std::move(statement));
}

absl::Status Database::Execute(const char* sql) {
  return ToStatus(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr));
}

absl::Status Database::ToStatus(int code) const {
  if (code == SQLITE_OK) return absl::OkStatus();
  const char* detail = handle_ != nullptr && sqlite3_extended_errcode(handle_) == code
                           ? sqlite3_errmsg(handle_)
                           : sqlite3_errstr(code);
  const std::string text = absl::StrCat("store ", path_, ": ", detail, " (SQLite code ", code, ")");
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(text, "; make room on its disk"));
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(
          text,
          "; look at store.path: if it is right, the file is damaged, so restore it from a "
          "backup"));
    case SQLITE_CORRUPT:
      return absl::DataLossError(
          absl::StrCat(text, "; the file is damaged: restore it from a backup"));
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return absl::UnavailableError(text);
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace skimwatch::store::sqlite
