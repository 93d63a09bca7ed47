#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collector/store/sql/coverage_rows.h"
#include "collector/store/sql/sink_rows.h"
#include "collector/store/sql/sql_store.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/sqlite/database.h"
#include "collector/store/sqlite/schema.h"
#include "collector/store/store.h"

namespace skimwatch::store {
namespace sqlite {
namespace {

constexpr size_t kReadersMax = 4;
// Commits that are deleted at once; more than come in a minute, which is how often it is done.
constexpr uint64_t kCommitsPerStep = 20'000;
constexpr int64_t kPageBytes = 4096;
// The write-ahead log is copied into the file once it has this many pages (4 MiB) ...
constexpr int kCheckpointPages = 1024;
// ... and with the writer held back once it has this many (64 MiB), because it starts over from its
// beginning only when a checkpoint has caught up.
constexpr int kCheckpointPagesMax = 16384;
constexpr absl::Duration kCheckpointRetry = absl::Seconds(1);

// SQLite would create the file readable by all that the umask lets.
absl::Status CreateFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const std::string text =
        absl::StrCat("store.path: can't open or create ", path, ": ", std::strerror(errno));
    if (errno == ENOENT) return absl::NotFoundError(absl::StrCat(text, "; create its folder"));
    if (errno == EACCES) return absl::PermissionDeniedError(text);
    return absl::UnavailableError(text);
  }
  close(fd);
  return absl::OkStatus();
}

uint64_t FileBytes(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

class SqliteStore : public sql::SqlStore {
 public:
  using SqlStore::SqlStore;

  ~SqliteStore() override {
    {
      absl::MutexLock lock(&checkpoint_mutex_);
      stopping_ = true;
    }
    if (checkpointer_.joinable()) checkpointer_.join();
  }

  absl::Status Open() {
    const std::string& path = options().config.path();
    if (absl::Status s = CreateFile(path); !s.ok()) return s;
    absl::MutexLock lock(&writer_mutex_);
    absl::StatusOr<std::unique_ptr<Database>> writer = Database::Open(path, /*read_only=*/false);
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    absl::Status s = writer_->Execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
        "PRAGMA journal_size_limit = 67108864;");
    if (!s.ok()) return s;
    if (s = PrepareSchema(*writer_); !s.ok()) {
      return absl::Status(s.code(), absl::StrCat("store.path: ", path, ": ", s.message()));
    }
    if (options().bytes_max > 0) {
      const std::string limit =
          absl::StrCat("PRAGMA max_page_count = ", options().bytes_max / kPageBytes + 1);
      if (s = writer_->Execute(limit.c_str()); !s.ok()) return s;
    }
    // In place of the automatic checkpoint, which would run inside a commit.
    sqlite3_wal_hook(writer_->handle(), &SqliteStore::OnCommit, this);
    absl::StatusOr<std::unique_ptr<Database>> checkpoints =
        Database::Open(path, /*read_only=*/false);
    if (!checkpoints.ok()) return checkpoints.status();
    // A connection that has read nothing does not know of the log, and its checkpoints do nothing.
    if (s = (*checkpoints)->Prepare("SELECT count(*) FROM sqlite_schema").Run(); !s.ok()) return s;
    checkpointer_ =
        std::thread([this, database = *std::move(checkpoints)] { Checkpoints(*database); });
    return absl::OkStatus();
  }

  absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> work) override {
    absl::MutexLock lock(&writer_mutex_);
    sql::SqlTransaction transaction(writer_.get());
    absl::Status status = writer_->Execute("BEGIN IMMEDIATE");
    absl::Status work_status;
    if (status.ok()) {
      work_status = work(transaction);
      status = work_status;
      if (status.ok()) status = transaction.Flush();
      if (status.ok()) status = writer_->Execute("COMMIT");
    }
    if (status.ok()) return status;
    if (writer_->InTransaction()) writer_->Execute("ROLLBACK").IgnoreError();
    CountUnlessRefused(status, errors().write);
    return status;
  }

  uint64_t SizeBytes() override {
    const std::string& path = options().config.path();
    return FileBytes(path) + FileBytes(path + "-wal") + FileBytes(path + "-shm");
  }

  absl::StatusOr<uint64_t> DeleteFindingsBefore(absl::Time cutoff, uint64_t findings_max) override {
    absl::MutexLock lock(&writer_mutex_);
    sql::Statement erase = writer_->Prepare(
        "DELETE FROM findings WHERE (stream_id, sequence) IN"
        " (SELECT stream_id, sequence FROM findings WHERE stored_at < ? ORDER BY stored_at LIMIT "
        "?)");
    absl::Status status = erase.Time(cutoff).Unsigned(findings_max).Run();
    const auto deleted = static_cast<uint64_t>(writer_->Changes());
    if (status.ok()) status = sql::DeleteCoverageHourBefore(*writer_, cutoff);
    if (status.ok() && deleted < findings_max) {
      status = sql::DeleteCommitsBefore(*writer_, cutoff, kCommitsPerStep);
    }
    if (status.ok()) return deleted;
    ++errors().retention;
    return status;
  }

 private:
  absl::StatusOr<std::unique_ptr<Database>> TakeReader() {
    {
      const auto may_take = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(readers_mutex_) {
        return !readers_.empty() || readers_open_ < kReadersMax;
      };
      absl::MutexLock lock(&readers_mutex_, absl::Condition(&may_take));
      if (!readers_.empty()) {
        std::unique_ptr<Database> reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
      ++readers_open_;
    }
    absl::StatusOr<std::unique_ptr<Database>> reader =
        Database::Open(options().config.path(), /*read_only=*/true);
    if (reader.ok()) return reader;
    ++errors().open;
    absl::MutexLock lock(&readers_mutex_);
    --readers_open_;
    return reader.status();
  }

  absl::Status RunQuery(absl::FunctionRef<absl::Status(sql::Database&)> query) override {
    absl::StatusOr<std::unique_ptr<Database>> reader = TakeReader();
    if (!reader.ok()) return reader.status();
    Database& db = **reader;
    absl::Status status = db.Execute("BEGIN");
    if (status.ok()) {
      status = query(db);
      db.Execute("COMMIT").IgnoreError();
    }
    CountUnlessRefused(status, errors().read);
    absl::MutexLock lock(&readers_mutex_);
    if (db.InTransaction()) {
      // It could not end its snapshot; a new connection will.
      --readers_open_;
    } else {
      readers_.push_back(*std::move(reader));
    }
    return status;
  }

  static int OnCommit(void* self, sqlite3*, const char*, int wal_pages) {
    auto* store = static_cast<SqliteStore*>(self);
    absl::MutexLock lock(&store->checkpoint_mutex_);
    store->wal_pages_ = wal_pages;
    return SQLITE_OK;
  }

  void Checkpoints(Database& database) {
    while (true) {
      bool catch_up = false;
      {
        const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(checkpoint_mutex_) {
          return stopping_ || wal_pages_ >= kCheckpointPages;
        };
        absl::MutexLock lock(&checkpoint_mutex_, absl::Condition(&due));
        if (stopping_) return;
        catch_up = wal_pages_ >= kCheckpointPagesMax;
        wal_pages_ = 0;
      }
      absl::Status status = Checkpoint(database);
      if (status.ok() && catch_up) {
        // Little is left to copy by now.
        absl::MutexLock lock(&writer_mutex_);
        status = Checkpoint(database);
      }
      if (status.ok()) continue;
      ++errors().checkpoint;
      absl::MutexLock lock(&checkpoint_mutex_);
      if (checkpoint_mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kCheckpointRetry)) {
        return;
      }
      wal_pages_ = kCheckpointPages;
    }
  }

  static absl::Status Checkpoint(Database& database) {
    return database.ToStatus(sqlite3_wal_checkpoint_v2(
        database.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr));
  }

  absl::Mutex writer_mutex_ ABSL_ACQUIRED_BEFORE(checkpoint_mutex_);
  std::unique_ptr<Database> writer_ ABSL_GUARDED_BY(writer_mutex_);

  absl::Mutex readers_mutex_;
  std::vector<std::unique_ptr<Database>> readers_ ABSL_GUARDED_BY(readers_mutex_);
  size_t readers_open_ ABSL_GUARDED_BY(readers_mutex_) = 0;

  absl::Mutex checkpoint_mutex_;
  int wal_pages_ ABSL_GUARDED_BY(checkpoint_mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(checkpoint_mutex_) = false;
  std::thread checkpointer_;
};

}  // namespace
}  // namespace sqlite

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(Options options) {
  auto store = std::make_unique<sqlite::SqliteStore>(std::move(options));
  if (absl::Status s = store->Open(); !s.ok()) return s;
  return store;
}

}  // namespace skimwatch::store
