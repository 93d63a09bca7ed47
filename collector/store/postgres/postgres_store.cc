#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/store/postgres/connection.h"
#include "collector/store/postgres/conninfo.h"
#include "collector/store/postgres/partitions.h"
#include "collector/store/postgres/postgres_transaction.h"
#include "collector/store/postgres/schema.h"
#include "collector/store/sql/coverage_rows.h"
#include "collector/store/sql/sink_rows.h"
#include "collector/store/sql/sql_store.h"

namespace skimwatch::store {
namespace postgres {
namespace {

constexpr uint32_t kReadersDefault = 4;
// A command that takes longer costs its connection: the server is gone, or waits for standbys that
// are.
constexpr absl::Duration kCommandTimeout = absl::Seconds(30);
// Bringing the tables up to date may rewrite them.
constexpr absl::Duration kMigrationTimeout = absl::Minutes(5);
// After a server could not be reached, everybody is told so for this long without another attempt.
constexpr absl::Duration kConnectPause = absl::Milliseconds(500);
// A transaction is run again this often because of other collectors. Each time it locks more of
// what it needs before it begins, so that few are ever needed.
constexpr int kRunsMax = 50;
// What other collectors decided is seen after this time at most.
constexpr absl::Duration kPolicyVersionAge = absl::Seconds(1);
constexpr absl::Duration kSizeAge = absl::Minutes(1);
// Deleted at once; more wait for the next time.
constexpr uint64_t kCommitsPerCleaning = 100'000;

// Session settings of every connection. A collector that hangs must not hold locks for ever.
constexpr char kSession[] =
    "SET client_min_messages = warning; SET lock_timeout = '20s';"
    "SET idle_in_transaction_session_timeout = '60s'";

// Upkeep has time, but the thread that does it has other work.
constexpr char kUpkeepSession[] = "SET lock_timeout = '2s'";

absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// Whether a transaction that failed so may succeed when it is run again: it lost against another
// one, or a partition was dropped between being looked for and being needed.
bool IsWorthAnotherRun(const std::string& sqlstate) {
  return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "23514";
}

class PostgresStore : public sql::SqlStore {
 public:
  PostgresStore(Options options, Conninfo conninfo)
      : SqlStore(std::move(options)),
        conninfo_(std::move(conninfo)),
        readers_max_(SqlStore::options().config.postgres().readers_max() == 0
                         ? kReadersDefault
                         : SqlStore::options().config.postgres().readers_max()) {}

  absl::Status Open() {
    absl::MutexLock lock(&writer_mutex_);
    absl::StatusOr<std::unique_ptr<Connection>> first = Connect(kMigrationTimeout);
    if (!first.ok()) return first.status();
    if (absl::Status s = PrepareSchema(**first); !s.ok()) {
      return absl::Status(
          s.code(), absl::StrCat("store.postgres: ", conninfo_.Describe(), ": ", s.message()));
    }
    return TakeWriter().status();
  }

  absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> work) override {
    absl::MutexLock lock(&writer_mutex_);
    absl::Status status;
    PostgresTransaction::Locks locks;
    for (int run = 0; run < kRunsMax; ++run) {
      absl::StatusOr<Connection*> writer = TakeWriter();
      if (!writer.ok()) {
        status = writer.status();
        break;
      }
      bool again = false;
      status = Run(**writer, work, locks, again);
      if (status.ok()) return status;
      if (!again) break;
    }
    CountUnlessRefused(status, errors().write);
    return status;
  }

  absl::StatusOr<uint64_t> CommittedSequence(std::string_view agent, uint64_t epoch) override {
    // Not a read: that would see a commit whose wait for its standbys was cancelled. This commits
    // the lock of the agent's row, which waits for all that was committed before.
    uint64_t committed = 0;
    absl::Status status = Write([&](Transaction& transaction) -> absl::Status {
      absl::StatusOr<uint64_t> sequence = transaction.CommittedSequence(agent, epoch);
      if (sequence.ok()) committed = *sequence;
      return sequence.status();
    });
    if (!status.ok()) return status;
    return committed;
  }

  absl::StatusOr<uint64_t> PolicyVersion() override {
    {
      absl::MutexLock lock(&policy_mutex_);
      if (SteadyNow() < policy_version_until_) return policy_version_;
    }
    absl::StatusOr<uint64_t> version = SqlStore::PolicyVersion();
    if (version.ok()) KeepPolicyVersion(*version);
    return version;
  }

  uint64_t SizeBytes() override {
    {
      absl::MutexLock lock(&size_mutex_);
      if (SteadyNow() < size_until_) return size_bytes_;
    }
    uint64_t bytes = 0;
    absl::Status status = RunQuery([&](sql::Database& db) -> absl::Status {
      sql::Statement select = db.Prepare("SELECT pg_database_size(current_database())");
      absl::StatusOr<bool> row = select.Step();
      if (row.ok() && *row) bytes = select.GetUnsigned(0);
      return row.status();
    });
    absl::MutexLock lock(&size_mutex_);
    if (!status.ok()) return size_bytes_;
    size_bytes_ = bytes;
    size_until_ = SteadyNow() + kSizeAge;
    return bytes;
  }

  absl::StatusOr<uint64_t> DeleteFindingsBefore(absl::Time cutoff,
                                                uint64_t /*findings_max*/) override {
    absl::MutexLock lock(&upkeep_mutex_);
    absl::Status status = KeepUp(cutoff);
    if (!status.ok()) {
      ++errors().retention;
      return status;
    }
    // Days go as they are, uncounted, and all of them at once.
    return 0;
  }

 private:
  absl::StatusOr<std::unique_ptr<Connection>> Connect(absl::Duration command_timeout) {
    {
      absl::MutexLock lock(&connect_mutex_);
      if (SteadyNow() < connect_after_) return connect_error_;
    }
    absl::StatusOr<std::unique_ptr<Connection>> connection =
        Connection::Open(conninfo_, command_timeout);
    absl::Status status = connection.status();
    if (status.ok()) status = (*connection)->Execute(kSession);
    if (status.ok()) return connection;
    ++errors().open;
    absl::MutexLock lock(&connect_mutex_);
    connect_after_ = SteadyNow() + kConnectPause;
    connect_error_ = status;
    return status;
  }

  // The connection for writes, made anew when it is gone.
  absl::StatusOr<Connection*> TakeWriter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_) {
    if (writer_ != nullptr && writer_->IsUsable()) return writer_.get();
    writer_ = nullptr;
    absl::StatusOr<std::unique_ptr<Connection>> connection = Connect(kCommandTimeout);
    if (!connection.ok()) return connection.status();
    if (absl::Status s = CheckVersion(**connection); !s.ok()) return s;
    // An acknowledged finding survives a power loss. `local`, `remote_write`, `on` and
    // `remote_apply` all promise that, and which standbys are waited for is for the database's
    // owner to say.
    absl::Status s = (*connection)
                         ->Execute(
                             "SELECT set_config('synchronous_commit', 'on', false)"
                             " WHERE current_setting('synchronous_commit') = 'off'");
    if (!s.ok()) return s;
    writer_ = *std::move(connection);
    return writer_.get();
  }

  // A newer collector may have brought the tables to a schema that this one does not know.
  static absl::Status CheckVersion(Connection& connection) {
    sql::Statement select = connection.Prepare("SELECT version FROM skimwatch_schema");
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (*row && select.GetInt(0) == kSchemaVersion) return absl::OkStatus();
    return absl::UnavailableError(
        "the database has another schema than when this collector started; start it again, or the "
        "newer one");
  }

  // One run of a transaction. `again`: it failed, and is worth another with `locks`.
  absl::Status Run(Connection& writer, absl::FunctionRef<absl::Status(Transaction&)> work,
                   PostgresTransaction::Locks& locks, bool& again)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_) {
    const auto make_partition = [this](int64_t day)
                                    ABSL_NO_THREAD_SAFETY_ANALYSIS { return MakePartitionOf(day); };
    writer.ClearError();
    PostgresTransaction transaction(
        &writer, {.collector = options().collector, .make_partition = make_partition});
    absl::Status status = transaction.Begin(locks);
    if (!status.ok() && !writer.IsUsable() && !std::exchange(stale_, true)) {
      // It broke while nobody used it; nothing was done on it.
      again = true;
      return status;
    }
    stale_ = false;
    if (status.ok()) status = work(transaction);
    if (status.ok()) status = transaction.Flush();
    if (status.ok()) status = writer.Commit();
    if (status.ok()) {
      if (transaction.policy_version().has_value()) {
        KeepPolicyVersion(*transaction.policy_version());
      }
      return status;
    }
    again = transaction.MustRunAgain() || IsWorthAnotherRun(writer.sqlstate());
    if (writer.sqlstate() == "23514") {
      for (const int64_t day : transaction.days()) known_days_.erase(day);
    }
    locks = transaction.locks();
    if (writer.IsUsable() && writer.InTransaction()) writer.Execute("ROLLBACK").IgnoreError();
    return status;
  }

  absl::Status MakePartitionOf(int64_t day) ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_) {
    if (known_days_.contains(day)) return absl::OkStatus();
    // Not on the writer's connection, where it would wait for others until the commit, and they for
    // it.
    absl::StatusOr<std::unique_ptr<Connection>> connection = Connect(kCommandTimeout);
    if (!connection.ok()) return connection.status();
    if (absl::Status s = MakePartition(**connection, day); !s.ok()) return s;
    known_days_.insert(day);
    return absl::OkStatus();
  }

  absl::Status KeepUp(absl::Time cutoff) ABSL_EXCLUSIVE_LOCKS_REQUIRED(upkeep_mutex_) {
    if (upkeep_ == nullptr || !upkeep_->IsUsable()) {
      absl::StatusOr<std::unique_ptr<Connection>> connection = Connect(kCommandTimeout);
      if (!connection.ok()) return connection.status();
      if (absl::Status s = (*connection)->Execute(kUpkeepSession); !s.ok()) return s;
      upkeep_ = *std::move(connection);
    }
    // Before midnight, so that no commit has to.
    absl::Status status = MakePartition(*upkeep_, DayOf(options().now() + absl::Hours(24)));
    while (status.ok()) {
      absl::StatusOr<bool> dropped = DropPartitionBefore(*upkeep_, cutoff);
      status = dropped.status();
      if (status.ok() && !*dropped) break;
    }
    if (status.ok()) status = sql::DeleteCoverageHourBefore(*upkeep_, cutoff);
    // Of the days that are gone.
    if (status.ok()) {
      const absl::Time day = absl::UnixEpoch() + absl::Hours(24) * DayOf(cutoff);
      status = sql::DeleteCommitsBefore(*upkeep_, day, kCommitsPerCleaning);
    }
    return status;
  }

  absl::StatusOr<std::unique_ptr<Connection>> TakeReader() {
    {
      const auto may_take = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(readers_mutex_) {
        return !readers_.empty() || readers_open_ < readers_max_;
      };
      absl::MutexLock lock(&readers_mutex_, absl::Condition(&may_take));
      if (!readers_.empty()) {
        std::unique_ptr<Connection> reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
      ++readers_open_;
    }
    absl::StatusOr<std::unique_ptr<Connection>> reader = Connect(kCommandTimeout);
    if (!reader.ok()) {
      absl::MutexLock lock(&readers_mutex_);
      --readers_open_;
    }
    return reader;
  }

  void GiveReader(std::unique_ptr<Connection> reader) {
    absl::MutexLock lock(&readers_mutex_);
    if (reader->IsUsable() && !reader->InTransaction()) {
      readers_.push_back(std::move(reader));
    } else {
      --readers_open_;
    }
  }

  absl::Status RunQuery(absl::FunctionRef<absl::Status(sql::Database&)> query) override {
    absl::Status status;
    // Connections of the pool may all be stale, after a failover for example.
    for (uint32_t i = 0; i <= readers_max_; ++i) {
      absl::StatusOr<std::unique_ptr<Connection>> reader = TakeReader();
      if (!reader.ok()) {
        status = reader.status();
        break;
      }
      status = (*reader)->Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      if (!status.ok() && !(*reader)->IsUsable()) {
        GiveReader(*std::move(reader));
        continue;
      }
      if (status.ok()) status = query(**reader);
      if ((*reader)->IsUsable()) (*reader)->Execute("COMMIT").IgnoreError();
      GiveReader(*std::move(reader));
      break;
    }
    CountUnlessRefused(status, errors().read);
    return status;
  }

  void KeepPolicyVersion(uint64_t version) {
    absl::MutexLock lock(&policy_mutex_);
    policy_version_ = std::max(policy_version_, version);
    policy_version_until_ = SteadyNow() + kPolicyVersionAge;
  }

  const Conninfo conninfo_;
  const uint32_t readers_max_;

  absl::Mutex writer_mutex_;
  std::unique_ptr<Connection> writer_ ABSL_GUARDED_BY(writer_mutex_);
  // The writer's connection broke when it was last begun on.
  bool stale_ ABSL_GUARDED_BY(writer_mutex_) = false;
  std::set<int64_t> known_days_ ABSL_GUARDED_BY(writer_mutex_);

  absl::Mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> readers_ ABSL_GUARDED_BY(readers_mutex_);
  uint32_t readers_open_ ABSL_GUARDED_BY(readers_mutex_) = 0;

  absl::Mutex upkeep_mutex_;
  std::unique_ptr<Connection> upkeep_ ABSL_GUARDED_BY(upkeep_mutex_);

  absl::Mutex connect_mutex_;
  absl::Time connect_after_ ABSL_GUARDED_BY(connect_mutex_);
  absl::Status connect_error_ ABSL_GUARDED_BY(connect_mutex_);

  absl::Mutex policy_mutex_;
  uint64_t policy_version_ ABSL_GUARDED_BY(policy_mutex_) = 0;
  absl::Time policy_version_until_ ABSL_GUARDED_BY(policy_mutex_);

  absl::Mutex size_mutex_;
  uint64_t size_bytes_ ABSL_GUARDED_BY(size_mutex_) = 0;
  absl::Time size_until_ ABSL_GUARDED_BY(size_mutex_);
};

}  // namespace
}  // namespace postgres

absl::StatusOr<std::unique_ptr<Store>> OpenPostgresStore(Options options) {
  absl::StatusOr<postgres::Conninfo> conninfo =
      postgres::Conninfo::Parse(options.config.postgres().conninfo());
  if (!conninfo.ok()) return conninfo.status();
  auto store = std::make_unique<postgres::PostgresStore>(std::move(options), *std::move(conninfo));
  if (absl::Status s = store->Open(); !s.ok()) return s;
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(Options options) {
  return options.config.has_postgres() ? OpenPostgresStore(std::move(options))
                                       : OpenSqliteStore(std::move(options));
}

absl::Status CheckPostgresConfig(const config::v1::PostgresStore& config) {
  return postgres::Conninfo::Parse(config.conninfo()).status();
}

}  // namespace skimwatch::store
