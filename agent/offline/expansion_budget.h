#ifndef SKIMWATCH_AGENT_OFFLINE_EXPANSION_BUDGET_H_
#define SKIMWATCH_AGENT_OFFLINE_EXPANSION_BUDGET_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/offline/file_stream.h"

namespace skimwatch::offline {

// How much a file may grow. Both conditions must be met to cut it.
struct ExpansionLimit {
  uint64_t ratio_max = 250;
  uint64_t bytes_min = uint64_t{64} << 20;
  // Members of all archives in a file together.
  uint64_t entries_max = 1'000'000;
};

// What unpacking one file may cost. What comes out is added up for each depth over the whole file,
// so that neither a layer that grows, nor many that grow a little, nor archives whose members
// share their bytes get past it. Thread-compatible.
class ExpansionBudget {
 public:
  // Layers one inside another that are counted apart; deeper ones are counted with the last.
  static constexpr size_t kLevelsMax = 64;

  // `file` is what all of it stands in, and must outlive it.
  ExpansionBudget(const FileStream& file, ExpansionLimit limit) : file_(file), limit_(limit) {}

  // `bytes` more came out of the layer at depth `level`, 0 for the outermost. RESOURCE_EXHAUSTED
  // when it grows like a bomb.
  absl::Status AddBytes(size_t level, uint64_t bytes) {
    uint64_t& total = bytes_[level < kLevelsMax ? level : kLevelsMax - 1];
    total += bytes;
    if (total <= limit_.bytes_min || total / limit_.ratio_max <= file_.bytes()) {
      return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(absl::StrCat("grows by more than ", limit_.ratio_max,
                                                     " times, like a decompression bomb; "
                                                     "if it is none, raise --max-expansion"));
  }

  // An archive has one more member. RESOURCE_EXHAUSTED when there are too many.
  absl::Status AddEntry() {
    if (++entries_ <= limit_.entries_max) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat("archives with more than ", limit_.entries_max,
                                                     " members; unpack it and scan that"));
  }

 private:
  const FileStream& file_;
  const ExpansionLimit limit_;
  std::array<uint64_t, kLevelsMax> bytes_{};
  uint64_t entries_ = 0;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_EXPANSION_BUDGET_H_
