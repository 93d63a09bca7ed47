#ifndef SKIMWATCH_COLLECTOR_STORE_SINK_H_
#define SKIMWATCH_COLLECTOR_STORE_SINK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/query_service.pb.h"

// What the store keeps for streams to other systems (docs/sinks.md), and reads for them.
//
// Every transaction that stores findings or changes exposures adds a row to `commits`, numbered
// from 1 by collector without gaps: a collector takes its next number last in its transaction and
// holds it until the commit, so numbers become visible in their order. Whoever has read all commits
// of a collector up to a number has missed nothing of it, whatever clocks say and however the
// commits of several collectors interleave. A commit finds its findings by their time of storing,
// which all of them share.
namespace skimwatch::store {

// How far the commits of one collector were read.
struct CommitPosition {
  std::string collector;
  // The last commit that was read to its end.
  uint64_t number = 0;
  // The last finding that was read of the commit after that; a stream of 0 for none.
  int64_t stream = 0;
  uint64_t sequence = 0;
  // Findings of this collector up to here, whether they were still there or not.
  uint64_t findings = 0;
};

// What was committed after some positions.
struct Changes {
  // In the order in which each collector committed them.
  std::vector<v1::StoredFinding> findings;
  // Exposures that were changed, each once.
  std::vector<uint64_t> exposures;
  // Where to read on, one for each collector.
  std::vector<CommitPosition> positions;
  // Findings that are gone, as retention deleted them before they were read.
  uint64_t missed = 0;
  // Commits are gone, and with them which exposures they changed.
  bool gap = false;
  // There is more to read at once.
  bool more = false;
};

// A sink as all collectors of the store see it.
struct SinkState {
  // Who feeds it; empty for nobody.
  std::string holder;
  // Grows when another one takes it; 0 when the store does not know the sink.
  uint64_t term = 0;
  // Grows while the holder lives.
  uint64_t beat = 0;
  std::vector<CommitPosition> positions;
  // Findings that were gone before they could be sent: those that the reader came to, and those
  // that it will come to.
  uint64_t missed = 0;
  // Events that the other side refuses.
  uint64_t set_aside = 0;
  // Findings that are not sent yet, and when the oldest commit that is not was made.
  uint64_t behind = 0;
  std::optional<absl::Time> oldest_unsent;
  // Tells this store from others that feed the same system; empty when the sink is not known.
  std::string store_id;
};

// What was last sent of an exposure.
struct SentExposure {
  uint64_t id = 0;
  // Empty when nothing was sent yet.
  std::string revision;
  v1::Exposure::State state = v1::Exposure::STATE_UNSPECIFIED;
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  v1::Confidence confidence = v1::CONFIDENCE_UNSPECIFIED;
  absl::Time sent_at;
  // When to look at it again; the infinite future for when it changes.
  absl::Time due_at = absl::InfiniteFuture();
};

// An exposure as it is, beside what a sink has of it.
struct ExposureRevision {
  v1::Exposure exposure;
  // Changes whenever anything of the exposure does: 16 hex digits.
  std::string revision;
  SentExposure sent;
};

// What a holder writes down about its sink.
struct SinkProgress {
  std::string name;
  // As it was taken; the write is refused when another one has the sink.
  std::string holder;
  uint64_t term = 0;
  std::vector<CommitPosition> positions;
  std::vector<SentExposure> exposures;
  // All exposures are to be looked at.
  bool all_exposures_due = false;
  // To add.
  uint64_t missed = 0;
  uint64_t set_aside = 0;
  // Nobody holds it any more.
  bool release = false;
};

}  // namespace skimwatch::store

#endif  // SKIMWATCH_COLLECTOR_STORE_SINK_H_
