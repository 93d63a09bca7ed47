#include "collector/store/sqlite/database.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace skimwatch::store::sqlite {
namespace {

// Another process (a backup, the sqlite3 shell) may hold a lock for a moment.
constexpr int kBusyTimeoutMs = 5000;

}  // namespace

Statement::Statement(Database* database, sqlite3_stmt* statement, int code)
    : database_(database), statement_(statement), code_(code) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_parameter_(other.next_parameter_),
      code_(other.code_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  // The same statement may have been in use twice; one of them is enough to keep.
  if (!database_->idle_.try_emplace(sqlite3_sql(statement_), statement_).second) {
    sqlite3_finalize(statement_);
  }
}

void Statement::Keep(int code) {
  if (code_ == SQLITE_OK) code_ = code;
}

Statement& Statement::Int(int64_t value) {
  Keep(sqlite3_bind_int64(statement_, next_parameter_++, value));
  return *this;
}

Statement& Statement::Double(double value) {
  Keep(sqlite3_bind_double(statement_, next_parameter_++, value));
  return *this;
}

Statement& Statement::Text(std::string_view value) {
  Keep(sqlite3_bind_text64(statement_, next_parameter_++, value.empty() ? "" : value.data(),
                           value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::Blob(std::string_view value) {
  Keep(sqlite3_bind_blob64(statement_, next_parameter_++, value.empty() ? "" : value.data(),
                           value.size(), SQLITE_TRANSIENT));
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (code_ != SQLITE_OK) return database_->ToStatus(code_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Keep(code);
  return database_->ToStatus(code);
}

absl::Status Statement::Run() {
  while (true) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  next_parameter_ = 1;
}

std::string_view Statement::GetBytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

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
  for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Statement Database::Prepare(std::string_view sql) {
  if (const auto it = idle_.find(sql); it != idle_.end()) {
    sqlite3_stmt* statement = it->second;
    idle_.erase(it);
    return Statement(this, statement, SQLITE_OK);
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return Statement(this, statement, code);
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
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
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
