#ifndef SKIMWATCH_AGENT_OFFLINE_PROGRESS_H_
#define SKIMWATCH_AGENT_OFFLINE_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace skimwatch::offline {

// How far a run is.
struct ProgressState {
  uint64_t bytes_done = 0;
  // Unknown while folders are still measured, and for pipes.
  std::optional<uint64_t> bytes_total;
  uint64_t findings = 0;
};

// Makes the progress bar of a run: share, bytes, rate, time left. Thread-compatible.
class ProgressMeter {
 public:
  explicit ProgressMeter(absl::Time start) : updated_(start) {}

  // A line of at most `columns`, without line feed:
  // ` 42% [=======>         ] 1.3 GiB of 3.0 GiB, 310.2 MiB/s, 0:05 left, 3 findings`
  std::string Line(const ProgressState& state, absl::Time now, size_t columns);

 private:
  // Smoothed over some seconds, so that the time left does not jump.
  void UpdateRate(uint64_t bytes_done, absl::Time now);

  absl::Time updated_;
  uint64_t bytes_ = 0;
  // Bytes a second; none before the first update.
  std::optional<double> rate_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_PROGRESS_H_
