#ifndef SKIMWATCH_COLLECTOR_INGEST_SEQUENCE_CHECK_H_
#define SKIMWATCH_COLLECTOR_INGEST_SEQUENCE_CHECK_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::ingest {

// Bound of the lost ranges in one batch.
inline constexpr int kLostRangesMax = 1000;
// Bound of a lost range's reason, in bytes.
inline constexpr size_t kLostReasonBytesMax = 64;

struct SequenceRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

// Checks that a batch goes on where `received`, the highest sequence that was received of its
// stream, ends: findings grow, and with the lost ranges leave no gap. What was received before may
// be repeated. Returns what the batch covers.
//
// INVALID_ARGUMENT names what is wrong: an empty batch, a sequence of 0, out of order or beyond
// 2^63 - 1, findings that overlap a lost range, a gap that is not declared lost.
absl::StatusOr<SequenceRange> CheckSequences(const v1::FindingBatch& batch, uint64_t received);

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_SEQUENCE_CHECK_H_
