#include "agent/pipeline/drop_estimate.h"

#include <algorithm>

namespace skimwatch::pipeline {
namespace {

// As the kernel hands them over, put together from several (GRO): RFC 791, 3.1, total length.
constexpr uint64_t kPacketBytesMax = 65535;

}  // namespace

uint64_t DropEstimate::Update(const Counts& counts) {
  absl::MutexLock lock(&mutex_);
  const bool is_newer = counts.dropped_packets >= last_.dropped_packets &&
                        counts.seen_packets >= last_.seen_packets &&
                        counts.seen_bytes >= last_.seen_bytes;
  if (is_newer && counts.dropped_packets == last_.dropped_packets) {
    last_ = counts;
  } else if (is_newer && counts.seen_packets > 0) {
    const auto dropped = static_cast<double>(counts.dropped_packets - last_.dropped_packets);
    const uint64_t packets = counts.seen_packets - last_.seen_packets;
    // Where none was seen meanwhile, as long as all that were.
    const double mean = packets > 0 ? static_cast<double>(counts.seen_bytes - last_.seen_bytes) /
                                          static_cast<double>(packets)
                                    : static_cast<double>(counts.seen_bytes) /
                                          static_cast<double>(counts.seen_packets);
    by_length_ += static_cast<uint64_t>(dropped * mean);
    last_ = counts;
  }
  // Also of bytes that were no gap before they came late, so rather too little.
  const uint64_t missing = counts.gap_bytes - std::min(counts.gap_bytes, counts.late_bytes);
  if (counts.dropped_packets == 0) missing_before_ = std::max(missing_before_, missing);
  // A gap shows later than the drop that made it.
  const uint64_t since = missing - std::min(missing, missing_before_);
  bytes_ = std::max({bytes_, by_length_, std::min(since, last_.dropped_packets * kPacketBytesMax)});
  return bytes_;
}

}  // namespace skimwatch::pipeline
