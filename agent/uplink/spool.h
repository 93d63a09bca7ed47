#ifndef SKIMWATCH_AGENT_UPLINK_SPOOL_H_
#define SKIMWATCH_AGENT_UPLINK_SPOOL_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "agent/uplink/file_system.h"
#include "agent/uplink/segment_reader.h"
#include "agent/uplink/sequence_list.h"
#include "agent/uplink/spool_format.h"

namespace skimwatch::uplink {

// A durable queue of findings on disk: what Append took is delivered in the end, or its loss is
// known and named. docs/spool-format.md describes the files.
//
// Each severity has segments of its own, so that room is made by deleting whole files, the least
// severe first, which needs no room itself; reading merges them back into the order of sequences.
//
// A sequence is never given away twice. An epoch goes on only over a clean end (Close); after
// anything else a new one begins, and the old one is read to its end first.
//
// Append, Acknowledge and GetStats are thread-safe, Append from many threads shares one sync.
// Start, Resume and Read belong to one reading thread. The lock is never held while a record is
// written or read.
class Spool {
 public:
  struct Options {
    // Made when it is not there. Held by a lock file: one spool a folder.
    std::string directory;
    // Room for segments, with their headers and what is acknowledged in part.
    uint64_t bytes_max = uint64_t{256} << 20;
    // A segment is closed when it would grow beyond this. Held to a sixteenth of `bytes_max`, so
    // that giving one up is not giving up everything.
    uint64_t segment_bytes = uint64_t{8} << 20;
    // Must outlive the spool.
    FileSystem* files = nullptr;
    // Random numbers for epochs.
    std::function<uint64_t()> random;
    // Sequence and number of a new spool's first record and segment.
    uint64_t first_sequence = 1;
    uint64_t first_segment = 1;
  };

  struct Record {
    // A v1::Severity, 1 to 5.
    uint32_t severity = 1;
    // 1 to kPayloadBytesMax bytes.
    std::string payload;
  };

  struct Item {
    uint64_t sequence = 0;
    std::string payload;
  };

  // Sequences that will never be read.
  struct Lost {
    uint64_t first = 0;
    uint64_t last = 0;
    LossReason reason = LossReason::kCorruptSegment;
  };

  // What follows what was read before: items and lost ranges together leave no gap.
  struct Batch {
    uint64_t epoch = 0;
    std::vector<Item> items;
    std::vector<Lost> lost;
    // Of items and lost ranges; 0 when there are none.
    uint64_t last_sequence = 0;
    bool empty() const { return last_sequence == 0; }
  };

  // What a stream begins with.
  struct Position {
    uint64_t epoch = 0;
    uint64_t first_sequence = 0;
  };

  struct Stats {
    uint64_t bytes = 0;
    uint64_t bytes_max = 0;
    // Appended and not yet acknowledged.
    uint64_t pending = 0;
    // Since Open.
    uint64_t appended = 0;
    // Lost since Open, by severity; 0 where damage hides it. What is given up while it is on its
    // way to the collector counts here even where it arrives.
    std::array<uint64_t, kSeverities> dropped{};
    uint64_t quarantined_segments = 0;
    uint64_t evicted_segments = 0;
    // Ends of segments that a crash left unfinished, which were cut.
    uint64_t torn_tails = 0;
    uint64_t write_errors = 0;
    std::string last_error;
  };

  // Opens the spool in a folder, or makes one. Damage is counted, named in the log and set aside in
  // the folder `quarantine`; it is no error. Errors name the file: FAILED_PRECONDITION when another
  // process holds the spool, else what the disk said.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(Options options);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Writes the records in their order and returns once they survive a power loss.
  // RESOURCE_EXHAUSTED: no room, and nothing less severe to give up; DATA_LOSS or others: the disk
  // failed. Either way the message says how many of the records were lost, and they are counted;
  // the rest is kept. INVALID_ARGUMENT: a record out of range; nothing is kept.
  absl::Status Append(std::vector<Record> records);

  // Where reading is to begin: the oldest epoch that is not done with, and its first sequence that
  // may still be here.
  Position Start();
  // Begins to read `epoch` after `committed`, the collector's word, which acknowledges it as well.
  void Resume(uint64_t epoch, uint64_t committed);
  // Reads on, at most `items_max` items and `bytes_max` bytes of payloads (but at least one item).
  // An item larger than `bytes_max` could never be sent and is lost. Empty when there is nothing
  // more, or when the epoch of Resume is over.
  Batch Read(size_t items_max, size_t bytes_max);

  // An item that was read is not what its appender wrote, and is given up.
  void CountUnreadable(uint64_t sequence);

  // Everything of `epoch` up to `committed` is safe with the collector.
  void Acknowledge(uint64_t epoch, uint64_t committed);
  // Whether all of `epoch` is acknowledged and nothing will be added to it.
  bool IsOver(uint64_t epoch) const;

  Stats GetStats() const;

  // Ends the epoch's run cleanly: a spool that is opened again goes on with it.
  absl::Status Close();

 private:
  struct Segment {
    SegmentId id;
    std::string path;
    // Bytes up to here are durable and whole.
    uint64_t limit = kSegmentHeaderBytes;
    SequenceList sequences;
    bool sealed = true;
    bool damaged = false;
    // Open for appending; null once sealed.
    std::unique_ptr<File> file;
  };
  using SegmentPtr = std::shared_ptr<Segment>;
  using Lane = std::deque<SegmentPtr>;

  struct Epoch {
    uint64_t id = 0;
    uint64_t acknowledged = 0;
    // Records up to here are durable, or lost.
    uint64_t issued = 0;
    // By severity.
    std::array<Lane, kSeverities> lanes;
  };

  struct Writer;
  // One severity's share of a group.
  struct Share;
  // A segment as it was when a Read began.
  struct Snapshot {
    SegmentPtr segment;
    uint64_t limit = 0;
  };
  // Reading's place in one lane.
  struct LaneReader {
    SegmentPtr segment;
    std::unique_ptr<SegmentReader> reader;
    std::optional<Item> head;
    // Of this Read: from `segment` on, what is not yet read.
    std::vector<Snapshot> ahead;
    size_t next_ahead = 0;
  };

  explicit Spool(Options options);

  // spool_recovery.cc
  absl::Status Recover() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<Cursor>> ReadCursor() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RecoverSegment(const SegmentId& name, bool may_be_torn, uint64_t acknowledged,
                              std::vector<SegmentPtr>& recovered)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginEpoch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // spool.cc
  std::string PathOf(const std::string& name) const;
  absl::Status SaveCursor(bool clean) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CommitGroup(std::vector<Writer*>& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes and syncs a share, in a new segment where it must be, giving up less severe segments
  // where the disk is full. The lock is released meanwhile.
  absl::Status WriteShare(Share& share) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SegmentPtr> ActiveSegment(uint32_t severity, size_t bytes, uint64_t first_sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Seal(Segment& segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes room for `bytes` of `severity`; false when nothing less severe is left to give up.
  bool MakeRoom(uint64_t bytes, uint32_t severity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool EvictOne(uint32_t below_severity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Deletes segments with nothing left in them; with `active`, those open for appending too.
  void Retire(bool active) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveFile(const Segment& segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddLoss(const Cursor::Loss& loss) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Counts a damaged segment, names it, and gives its file a second name in quarantine.
  void Quarantine(Segment& segment, const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void QuarantineFile(const std::string& name, const std::string& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Epoch* FindEpoch(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Epoch& current() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return epochs_.back(); }

  // spool_read.cc
  // Takes up a lane's segments as they are now.
  static void RefreshLane(LaneReader& lane, std::vector<Snapshot> segments);
  // Sets `head` where there is anything more to read.
  void FillLane(LaneReader& lane);
  // Reads one segment of a lane as far as the next head; true when there is none left in it.
  bool ReadSegment(LaneReader& lane, const Snapshot& snapshot);
  void AddLost(uint64_t first, uint64_t last, Batch& batch);

  const Options options_;
  std::unique_ptr<FileLock> lock_;

  mutable absl::Mutex mutex_;
  std::unique_ptr<File> cursor_file_ ABSL_GUARDED_BY(mutex_);
  uint64_t cursor_generation_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_segment_ ABSL_GUARDED_BY(mutex_) = 1;
  // Oldest first; the last is appended to, and always there once open.
  std::deque<Epoch> epochs_ ABSL_GUARDED_BY(mutex_);
  std::vector<Cursor::Loss> losses_ ABSL_GUARDED_BY(mutex_);
  std::deque<Writer*> writers_ ABSL_GUARDED_BY(mutex_);
  // A group is being written: segments that are open for appending must stay.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Of all segments' files.
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Stats stats_ ABSL_GUARDED_BY(mutex_);

  // The reading thread's.
  uint64_t read_epoch_ = 0;
  uint64_t read_next_ = 0;
  // Losses up to here were counted.
  uint64_t lost_counted_ = 0;
  uint64_t unreadable_counted_ = 0;
  std::array<LaneReader, kSeverities> lane_readers_;
};

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_SPOOL_H_
