#ifndef SKIMWATCH_AGENT_PIPELINE_DROP_ESTIMATE_H_
#define SKIMWATCH_AGENT_PIPELINE_DROP_ESTIMATE_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace skimwatch::pipeline {

// How many bytes the packets held that the kernel dropped from one capture. Nobody saw them, so
// each counts as long as those that were seen meanwhile are on average; and all of them at least as
// what is missing in TCP connections by their sequence numbers since drops began, for small packets
// still find room where large ones do not. Other things make gaps too (asymmetric routing, packets
// lost on the way to this host), so never more than so many packets can hold.
//
// A counter: it never goes down, whoever looks and how often. Thread-safe.
class DropEstimate {
 public:
  // Counters since the start of the capture, and of what decoded its packets.
  struct Counts {
    uint64_t dropped_packets = 0;
    uint64_t seen_packets = 0;
    uint64_t seen_bytes = 0;
    uint64_t gap_bytes = 0;
    // That came after all, when their gap had been given up: counted elsewhere.
    uint64_t late_bytes = 0;
  };

  // Takes what was counted since the last call, and returns the bytes in all. Counts that are older
  // than those of another caller change nothing. Drops wait until a packet was seen.
  uint64_t Update(const Counts& counts);

 private:
  absl::Mutex mutex_;
  Counts last_ ABSL_GUARDED_BY(mutex_);
  uint64_t by_length_ ABSL_GUARDED_BY(mutex_) = 0;
  // Missing before anything was dropped: by other hands than the kernel's.
  uint64_t missing_before_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_DROP_ESTIMATE_H_
