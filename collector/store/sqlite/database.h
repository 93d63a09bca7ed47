#ifndef SKIMWATCH_COLLECTOR_STORE_SQLITE_DATABASE_H_
#define SKIMWATCH_COLLECTOR_STORE_SQLITE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sql/database.h"
#include "sqlite3.h"

namespace skimwatch::store::sqlite {

class SqliteStatement;

// One connection to a SQLite file. Not thread-safe: its owner guards it.
class Database : public sql::Database {
 public:
  // Opens a file that exists.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, bool read_only);
  ~Database() override;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  absl::Status Execute(const char* sql) override;
  int64_t Changes() const override { return sqlite3_changes64(handle_); }
  bool InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }

  // A result code as a status that names the file; codes as told in store.h.
  absl::Status ToStatus(int code) const;
  sqlite3* handle() { return handle_; }

 private:
  explicit Database(std::string path);
  sql::PreparedStatement* Take(std::string_view sql) override;
  void GiveBack(sql::PreparedStatement* prepared) override;

  const std::string path_;
  sqlite3* handle_ = nullptr;
  // Statements not in use. Those in use are held by a sql::Statement.
  absl::flat_hash_map<std::string_view, std::unique_ptr<SqliteStatement>> idle_;
};

}  // namespace skimwatch::store::sqlite

#endif  // SKIMWATCH_COLLECTOR_STORE_SQLITE_DATABASE_H_
