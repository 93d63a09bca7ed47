#ifndef SKIMWATCH_AGENT_OFFLINE_FINDING_OUTPUT_H_
#define SKIMWATCH_AGENT_OFFLINE_FINDING_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/offline/cancellation.h"
#include "agent/offline/console.h"
#include "agent/offline/finding_writer.h"

namespace skimwatch::offline {

// Findings of files that are scanned at once, on their way to standard output: as they come, or in
// the order of the files.
//
// In order, what comes before its turn waits in memory, and where that gets too much, so does who
// brings it. The file whose turn it is never waits. Thread-safe.
class FindingOutput {
 public:
  static constexpr size_t kWaitingBytesMax = size_t{32} << 20;

  // All must outlive it. Nobody waits any more once `cancellation` says stop.
  FindingOutput(const FindingWriter& writer, Console& console, bool in_order,
                const Cancellation& cancellation)
      : writer_(writer), console_(console), in_order_(in_order), cancellation_(cancellation) {}

  // `file` is the number of the file that it is in.
  void Write(uint64_t file, const Finding& finding);
  // No more findings of that file come. Every number from 0 must be ended once.
  void EndFile(uint64_t file);
  // Nothing more comes at all; what still waits is written, and the footer.
  void Finish(const RunOutcome& outcome);

 private:
  struct Waiting {
    std::vector<std::string> items;
    bool ended = false;
  };

  bool HasRoom(uint64_t file) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return file == next_ || waiting_bytes_ < kWaitingBytesMax;
  }
  void Put(std::string item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutWaiting(Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const FindingWriter& writer_;
  Console& console_;
  const bool in_order_;
  const Cancellation& cancellation_;
  absl::Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool any_ ABSL_GUARDED_BY(mutex_) = false;
  // The file whose findings are written at once.
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FINDING_OUTPUT_H_
