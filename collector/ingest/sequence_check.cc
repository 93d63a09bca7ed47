#include "collector/ingest/sequence_check.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"

namespace skimwatch::ingest {
namespace {

constexpr uint64_t kSequenceMax = std::numeric_limits<int64_t>::max();

}  // namespace

absl::StatusOr<SequenceRange> CheckSequences(const v1::FindingBatch& batch, uint64_t received) {
  if (batch.lost_size() > kLostRangesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch.lost: ", batch.lost_size(), " ranges, at most ", kLostRangesMax));
  }
  std::vector<SequenceRange> ranges;
  ranges.reserve(static_cast<size_t>(batch.findings_size()) + batch.lost_size());
  for (const v1::LostRange& lost : batch.lost()) {
    if (lost.first_sequence() == 0 || lost.first_sequence() > lost.last_sequence() ||
        lost.last_sequence() > kSequenceMax) {
      return absl::InvalidArgumentError(absl::StrCat("batch.lost: ", lost.first_sequence(), " to ",
                                                     lost.last_sequence(), " is no range"));
    }
    if (lost.reason().size() > kLostReasonBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("batch.lost.reason: longer than ", kLostReasonBytesMax, " bytes"));
    }
    ranges.push_back({lost.first_sequence(), lost.last_sequence()});
  }
  uint64_t last_finding = 0;
  for (const v1::Finding& finding : batch.findings()) {
    if (finding.sequence() <= last_finding || finding.sequence() > kSequenceMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("batch.findings.sequence: ", finding.sequence(), " after ", last_finding));
    }
    last_finding = finding.sequence();
    ranges.push_back({last_finding, last_finding});
  }
  if (ranges.empty()) return absl::InvalidArgumentError("batch: neither findings nor lost ranges");
  std::sort(ranges.begin(), ranges.end(), [](const SequenceRange& a, const SequenceRange& b) {
    return a.first < b.first || (a.first == b.first && a.last < b.last);
  });
  for (size_t i = 0; i < ranges.size(); ++i) {
    const uint64_t before = i == 0 ? received : ranges[i - 1].last;
    if (i > 0 && ranges[i].first <= before) {
      return absl::InvalidArgumentError(
          absl::StrCat("batch: sequence ", ranges[i].first, " is there twice"));
    }
    if (ranges[i].first > std::max(before, received) + 1) {
      return absl::InvalidArgumentError(absl::StrCat("batch: sequence ", ranges[i].first,
                                                     " follows ", std::max(before, received),
                                                     ", and what is between is not declared lost"));
    }
  }
  return SequenceRange{ranges.front().first, ranges.back().last};
}

}  // namespace skimwatch::ingest
