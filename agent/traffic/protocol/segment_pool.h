#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_SEGMENT_POOL_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_SEGMENT_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace skimwatch::traffic {

// A piece of a stream that waits for its turn. Positions are sequence numbers unwrapped to 64 bits.
struct HeldSegment {
  static constexpr size_t kBytesMax = 1968;
  static constexpr size_t kSeamsMax = 8;

  enum class Kind : uint8_t {
    kData,
    // Only the number of bytes is of interest.
    kCounted,
    // On the wire, but beyond what the capture took.
    kCut,
  };

  HeldSegment* next = nullptr;
  HeldSegment* previous = nullptr;
  uint64_t begin = 0;
  uint64_t end = 0;
  // How far the other direction must have come before this is delivered.
  uint64_t after = 0;
  Kind kind = Kind::kData;
  // Where in `data` another packet's bytes begin, as far as there is room for it.
  uint8_t seam_count = 0;
  std::array<uint16_t, kSeamsMax> seams;
  std::array<char, kBytesMax> data;
};

// Blocks of one size for all flows of a decoder, reused, so that reordered packets cost no
// allocation. Thread-compatible.
class SegmentPool {
 public:
  SegmentPool() = default;
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  HeldSegment* Take();
  void Return(HeldSegment* segment);

  // Memory of the segments that are taken.
  uint64_t used_bytes() const { return used_ * sizeof(HeldSegment); }

 private:
  // Kept for reuse at most; what is beyond goes back to the system.
  static constexpr size_t kFreeMax = 1024;

  HeldSegment* free_ = nullptr;
  size_t free_count_ = 0;
  uint64_t used_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_SEGMENT_POOL_H_
