#include "agent/pipeline/drop_estimate.h"

#include <algorithm>

namespace skimwatch::pipeline {

uint64_t DropEstimate::Update(const Counts& counts) {
  absl::MutexLock lock(&mutex_);
  const bool is_newer = counts.dropped_packets > last_.dropped_packets &&
                        counts.seen_packets >= last_.seen_packets &&
                        counts.seen_bytes >= last_.seen_bytes;
  if (is_newer && counts.seen_packets > 0) {
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
  // A gap shows later than the drop that made it.
  if (last_.dropped_packets > 0) bytes_ = std::max({bytes_, by_length_, counts.gap_bytes});
  return bytes_;
}

}  // namespace skimwatch::pipeline
