#ifndef SKIMWATCH_COLLECTOR_INGEST_COMMITTER_H_
#define SKIMWATCH_COLLECTOR_INGEST_COMMITTER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/exposure/rules.h"
#include "collector/ingest/ingest_stats.h"
#include "collector/ingest/sequence_check.h"
#include "collector/ingest/store_health.h"
#include "collector/store/finding_feed.h"
#include "collector/store/store.h"

namespace skimwatch::ingest {

// What one batch of an agent asks the store to keep.
struct CommitRequest {
  std::string agent;
  uint64_t epoch = 0;
  // What the batch covers: findings, lost ranges and findings that were left out as invalid.
  SequenceRange range;
  // With finding, agent and epoch set.
  std::vector<v1::StoredFinding> findings;
  std::vector<v1::LostRange> lost;
  size_t bytes = 0;
  // Called once, on the committer's thread, with the highest committed sequence of the epoch, or
  // why nothing of the batch was kept: ABORTED when it does not follow what was committed,
  // UNAVAILABLE when the store failed. Must be quick.
  std::function<void(absl::StatusOr<uint64_t>)> done;
};

// Brings batches of many agents into the store, many in one transaction (group commit), and says so
// only after the transaction is durable. Owns one thread. Thread-safe.
//
// Exactly once: each stream's committed sequence is read and advanced in the same transaction as
// its findings, so whatever comes twice, over whichever stream, is dropped there and counted.
class Committer {
 public:
  struct Options {
    store::Store* store = nullptr;
    // Gets what was committed; may be null.
    store::FindingFeed* feed = nullptr;
    IngestStats* stats = nullptr;
    StoreHealth* health = nullptr;
    exposure::Rules rules;
    // A commit waits at most this long for company.
    absl::Duration delay = absl::Milliseconds(5);
    // Bounds of one transaction ...
    size_t group_findings_max = 10'000;
    // ... and of what waits, beyond which HasRoom says no.
    size_t queue_bytes_max = size_t{256} << 20;
    std::function<absl::Time()> now = absl::Now;
    // Called on the committer's thread after a commit by which approvals came or went.
    std::function<void()> on_policy_change;
  };

  explicit Committer(Options options);
  // Commits what is queued.
  ~Committer();

  // Takes a batch even when there is no room: it is in memory already. Who has one in flight asks
  // WhenRoom before it reads the next.
  void Enqueue(CommitRequest request);

  // Calls `resume` once there is room in the queue: now, on this thread, or later on the
  // committer's.
  void WhenRoom(std::function<void()> resume);

 private:
  struct Outcome {
    absl::StatusOr<uint64_t> committed = uint64_t{0};
    uint64_t stored = 0;
    uint64_t duplicates = 0;
    uint64_t lost = 0;
    bool approvals_changed = false;
  };

  void Run();
  std::vector<CommitRequest> NextGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Commit(std::vector<CommitRequest>& group);
  // One transaction; outcomes are valid only when it returns OK.
  absl::Status TryCommit(absl::Span<CommitRequest> group, std::vector<Outcome>& outcomes);
  void Conclude(std::vector<CommitRequest>& group, std::vector<Outcome>& outcomes);

  const Options options_;
  absl::Mutex mutex_;
  std::deque<CommitRequest> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_findings_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_COMMITTER_H_
