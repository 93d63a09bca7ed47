#include "agent/uplink/sequence_list.h"

namespace skimwatch::uplink {

void SequenceList::Add(uint64_t sequence) {
  if (count_ == 0) {
    deltas_.clear();
    next_ = 0;
    first_ = sequence;
  } else {
    uint64_t delta = sequence - last_;
    for (; delta >= 0x80; delta >>= 7) deltas_.push_back(static_cast<char>(delta | 0x80));
    deltas_.push_back(static_cast<char>(delta));
  }
  last_ = sequence;
  ++count_;
}

uint64_t SequenceList::Forget(uint64_t sequence) {
  uint64_t forgotten = 0;
  while (count_ > 0 && first_ <= sequence) {
    ++forgotten;
    --count_;
    if (count_ == 0) break;
    uint64_t delta = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(deltas_[next_++]);
      delta |= uint64_t{byte & 0x7Fu} << shift;
      if ((byte & 0x80) == 0) break;
    }
    first_ += delta;
  }
  return forgotten;
}

}  // namespace skimwatch::uplink
