#ifndef SKIMWATCH_AGENT_UPLINK_SEQUENCE_LIST_H_
#define SKIMWATCH_AGENT_UPLINK_SEQUENCE_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace skimwatch::uplink {

// Which sequences a segment holds: they grow, with gaps where other severities' segments hold what
// is between. Kept as differences of mostly one byte, so that a full spool's worth fits in a few
// MiB, and forgotten from the front as they are acknowledged. Thread-compatible.
class SequenceList {
 public:
  // `sequence` is above every one before it.
  void Add(uint64_t sequence);
  // Forgets all up to `sequence`; returns how many that were.
  uint64_t Forget(uint64_t sequence);

  // Of what is left.
  uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Meaningful only when not empty.
  uint64_t first() const { return first_; }
  // The last ever added; 0 for none.
  uint64_t last() const { return last_; }

 private:
  // Differences to the one before, 7 bits a byte, the lowest first; the top bit says that more
  // follow. The first element's is not in it.
  std::string deltas_;
  // Where in `deltas_` the difference from first_ to its successor is.
  size_t next_ = 0;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  uint64_t count_ = 0;
};

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_SEQUENCE_LIST_H_
