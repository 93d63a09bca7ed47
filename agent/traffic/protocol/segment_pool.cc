#include "agent/traffic/protocol/segment_pool.h"

#include <string.h>

namespace skimwatch::traffic {

SegmentPool::~SegmentPool() {
  while (free_ != nullptr) {
    HeldSegment* next = free_->next;
    delete free_;
    free_ = next;
  }
}

HeldSegment* SegmentPool::Take() {
  ++used_;
  if (free_ == nullptr) return new HeldSegment;
  HeldSegment* segment = free_;
  free_ = segment->next;
  --free_count_;
  return segment;
}

void SegmentPool::Return(HeldSegment* segment) {
  --used_;
  // Not only the size of what it holds now: it may have held more.
  explicit_bzero(segment->data.data(), segment->data.size());
  if (free_count_ == kFreeMax) {
    delete segment;
    return;
  }
  segment->next = free_;
  free_ = segment;
  ++free_count_;
}

}  // namespace skimwatch::traffic
