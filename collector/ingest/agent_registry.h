#ifndef SKIMWATCH_COLLECTOR_INGEST_AGENT_REGISTRY_H_
#define SKIMWATCH_COLLECTOR_INGEST_AGENT_REGISTRY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::ingest {

// What changed about agents since it was last written: heartbeats come often, and are kept
// together, so that a thousand agents cost one transaction a second and not a thousand.
// Thread-safe.
class AgentRegistry {
 public:
  // An agent whose heartbeats are further apart was silent between them.
  explicit AgentRegistry(absl::Duration silent_after) : silent_after_(silent_after) {}

  void Connected(std::string_view identity, const v1::Hello& hello,
                 std::optional<absl::Time> certificate_expiry, absl::Time now);
  void Heartbeat(std::string_view identity, const v1::Heartbeat& heartbeat, absl::Time now);
  void Disconnected(std::string_view identity, absl::Time now);
  void Rejected(std::string_view identity, std::string_view reason, absl::Time now);

  // Writes what changed in one transaction. On an error of the store it is kept for the next
  // time.
  absl::Status Flush(store::Store& store);
  bool HasChanges() const;

 private:
  struct Change {
    std::optional<v1::Agent::State> state;
    std::string rejection_reason;
    // Since when this is kept, by the steady clock.
    absl::Time begun;
    absl::Time seen;
    std::optional<v1::Hello> hello;
    std::optional<absl::Time> certificate_expiry;
    std::optional<v1::Heartbeat> heartbeat;
    // When the heartbeat came.
    absl::Time heard;
  };

  using Changes = std::map<std::string, Change, std::less<>>;

  // In one transaction.
  absl::Status Write(const Changes& changes, store::Store& store) const;
  // In a transaction each. Takes out what was written and what the store refuses, which is logged.
  absl::Status WriteEach(Changes& changes, store::Store& store) const;

  // What is kept of an agent, seen `now`.
  Change& ChangeOf(std::string_view identity, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An agent that moved may have been written by the other collector before this one came to it. A
  // heartbeat from before that counts less than the store has, and would pass for a restart.
  Change WithoutWhatIsOld(const Change& change, const v1::Agent& agent) const;

  static void Apply(const Change& change, v1::Agent& agent);
  // Adds to the hour what the agent looked at since it was last written as `agent`.
  absl::Status AddCoverage(const Change& change, const v1::Agent& agent,
                           store::Transaction& transaction) const;

  const absl::Duration silent_after_;

  mutable absl::Mutex mutex_;
  Changes changes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_AGENT_REGISTRY_H_
