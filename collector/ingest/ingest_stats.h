#ifndef SKIMWATCH_COLLECTOR_INGEST_INGEST_STATS_H_
#define SKIMWATCH_COLLECTOR_INGEST_INGEST_STATS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::ingest {

// A histogram of seconds with fixed bounds. Thread-safe, without locks; a reader that runs beside
// writers may see a sum that is an observation ahead of the counts.
template <size_t N>
class SecondsHistogram {
 public:
  explicit constexpr SecondsHistogram(const std::array<double, N>& bounds) : bounds_(bounds) {}

  void Observe(double seconds) {
    size_t i = 0;
    while (i < N && seconds > bounds_[i]) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    sum_nanoseconds_.fetch_add(static_cast<uint64_t>(seconds * 1e9), std::memory_order_relaxed);
  }

  const std::array<double, N>& bounds() const { return bounds_; }
  // Of the observations at most bounds()[i] and above bounds()[i - 1]; the last is above all.
  uint64_t count(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const {
    return static_cast<double>(sum_nanoseconds_.load(std::memory_order_relaxed)) * 1e-9;
  }

 private:
  const std::array<double, N> bounds_;
  std::array<std::atomic<uint64_t>, N + 1> counts_ = {};
  std::atomic<uint64_t> sum_nanoseconds_ = 0;
};

inline constexpr std::array<double, 12> kCommitBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                         0.05,   0.1,   0.25,   0.5,   1.0,  5.0};
inline constexpr std::array<double, 12> kDelayBounds = {0.01, 0.025, 0.05, 0.1,  0.25,  0.5,
                                                        1.0,  2.5,   10.0, 60.0, 600.0, 3600.0};

// What the ingest counts since its start. Thread-safe.
struct IngestStats {
  std::atomic<uint64_t> batches_committed = 0;
  // All of it was stored before.
  std::atomic<uint64_t> batches_duplicate = 0;
  // Broke the contract; its stream was closed.
  std::atomic<uint64_t> batches_rejected = 0;
  // The store failed; not acknowledged.
  std::atomic<uint64_t> batches_error = 0;

  std::atomic<uint64_t> findings_stored = 0;
  std::atomic<uint64_t> findings_duplicate = 0;
  // Broke the rules of a finding; left out, and acknowledged so that its agent can go on.
  std::atomic<uint64_t> findings_invalid = 0;
  // Declared lost by an agent.
  std::atomic<uint64_t> findings_lost = 0;

  std::atomic<uint64_t> streams_opened = 0;
  std::atomic<int64_t> streams_open = 0;
  // Turned away: identity, protocol version, limits, or a store that fails.
  std::atomic<uint64_t> streams_refused = 0;
  // A newer stream of the same agent took over.
  std::atomic<uint64_t> streams_replaced = 0;
  // Times that a stream was held back because its agent sent more than its rate.
  std::atomic<uint64_t> rate_limited = 0;

  // Findings and bytes that wait for a commit.
  std::atomic<uint64_t> queue_findings = 0;
  std::atomic<uint64_t> queue_bytes = 0;

  SecondsHistogram<12> commit_seconds{kCommitBounds};
  // Bytes seen by the agent until committed here, by kind. Clocks that disagree count as 0.
  std::array<SecondsHistogram<12>, v1::FindingKind_ARRAYSIZE> detection_delay_seconds =
      MakeDelays(std::make_index_sequence<v1::FindingKind_ARRAYSIZE>());

 private:
  template <size_t... I>
  static std::array<SecondsHistogram<12>, sizeof...(I)> MakeDelays(std::index_sequence<I...>) {
    return {((void)I, SecondsHistogram<12>(kDelayBounds))...};
  }
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_INGEST_STATS_H_
