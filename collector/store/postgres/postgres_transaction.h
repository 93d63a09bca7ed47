#ifndef SKIMWATCH_COLLECTOR_STORE_POSTGRES_POSTGRES_TRANSACTION_H_
#define SKIMWATCH_COLLECTOR_STORE_POSTGRES_POSTGRES_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/postgres/connection.h"
#include "collector/store/sql/sql_transaction.h"

namespace skimwatch::store::postgres {

// One write transaction beside those of other collectors.
//
// It is READ COMMITTED, and has what it reads and writes to itself: before the first look at an
// agent it locks the agent's row (an agent that is not there is inserted), and before the first
// look at anything else (a site's channel, its destinations, the settings, the decisions) a row of
// the table `locks` that stands for it, chosen by a hash of its name. Each statement then sees all
// that earlier holders committed. So the committed sequence of a stream is always read under the
// lock that its advance is written under, whichever collector the agent streams to; exposures fold,
// versions grow and seals chain as if one collector did it all.
//
// Why not SERIALIZABLE with retries: two collectors that ingest for one site touch the same few
// rows in every transaction, so that one of two large transactions would fail when its work is all
// done, again and again. Why not advisory locks: each takes a slot of the server's shared memory
// until the transaction ends (a commit may touch thousands), some engines lack them, and some take
// them without effect. Rows can be locked everywhere, and in any number.
//
// Deadlocks are avoided by order. What comes later in the order than all that is held is waited
// for. What comes earlier is only tried: if another has it, the transaction is given up and run
// again, with all that it turned out to need locked first, in order (see MustRunAgain, claims).
//
// Findings are collected and written with one COPY, sightings with two statements.
class PostgresTransaction : public sql::SqlTransaction {
 public:
  // What is locked: an agent by its identity, or a row of `locks`. Ordered.
  struct Lock {
    enum class Kind { kAgent, kRow };
    Kind kind = Kind::kRow;
    uint64_t row = 0;
    std::string agent;
    friend auto operator<=>(const Lock&, const Lock&) = default;
  };
  using Locks = std::set<Lock>;

  struct Options {
    // The name of this collector, for agents that are connected to it.
    std::string_view collector;
    // Makes sure that `findings` has a partition for a day.
    absl::FunctionRef<absl::Status(int64_t)> make_partition;
  };

  PostgresTransaction(Connection* connection, const Options& options)
      : SqlTransaction(connection), connection_(*connection), options_(options) {}

  // Begins, and takes `locks`, waiting for them.
  absl::Status Begin(const Locks& locks);
  absl::Status Flush() override;

  // Another collector had something that could not be waited for: nothing is wrong, but this
  // transaction must be rolled back and run again, with `locks`.
  bool MustRunAgain() const { return must_run_again_; }
  // What it held or wanted.
  const Locks& locks() const { return wanted_; }
  // Days that it stored findings of.
  const std::set<int64_t>& days() const { return days_; }
  // The policy's version that it made, if it did.
  std::optional<uint64_t> policy_version() const { return policy_version_; }

  absl::Status InsertFinding(const v1::StoredFinding& stored, v1::FindingKind kind) override;
  absl::StatusOr<std::vector<bool>> AddSightings(const std::vector<Sighting>& sightings) override;
  // An agent that is connected is connected to this collector; that it is not any more is for the
  // collector to say that it was connected to last.
  absl::Status PutAgent(const v1::Agent& agent) override;
  // Those that were connected to this collector.
  absl::Status DisconnectAllAgents() override;
  absl::StatusOr<uint64_t> AdvancePolicyVersion() override;

 protected:
  absl::Status Claim(const Claimed& claimed) override;
  std::string_view CollectorName() const override { return options_.collector; }

 private:
  // False when another has it and `wait` is false.
  absl::StatusOr<bool> TakeLock(const Lock& lock, bool wait);
  // False when there is no such agent as well.
  absl::StatusOr<bool> LockAgent(const std::string& identity, bool wait);
  absl::Status CopyFindings();

  Connection& connection_;
  const Options options_;
  Locks held_;
  Locks wanted_;
  bool must_run_again_ = false;
  // Rows for COPY.
  std::string findings_;
  std::set<int64_t> days_;
  std::optional<uint64_t> policy_version_;
};

}  // namespace skimwatch::store::postgres

#endif  // SKIMWATCH_COLLECTOR_STORE_POSTGRES_POSTGRES_TRANSACTION_H_
