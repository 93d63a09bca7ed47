#include "agent/traffic/protocol/stream_reassembler.h"

#include <algorithm>
#include <cstring>

namespace skimwatch::traffic {
namespace {

// Positions start here, so that what lies before the first segment has a position too.
constexpr uint64_t kOrigin = uint64_t{1} << 40;
// A segment further back than any window that is in use is no retransmission: the stream went on
// unseen for gigabytes, or it is another one.
constexpr uint64_t kRetransmissionBytesMax = uint64_t{1} << 26;
// Segments this far before the first one seen may have been overtaken by it.
constexpr uint64_t kOvertakenBytesMax = uint64_t{1} << 20;
// Holes of one direction that are remembered, the latest. What comes for one before them is taken
// for a retransmission.
constexpr size_t kSkippedRangesMax = 64;

}  // namespace

void StreamReassembler::Start(uint32_t sequence, bool from_syn) {
  started_ = true;
  next_ = kOrigin + sequence;
  if (!from_syn) Skip(next_ - kOvertakenBytesMax, next_);
}

void StreamReassembler::CountOnly() {
  count_only_ = true;
  for (HeldSegment* at = first_; at != nullptr;) {
    if (at->kind == HeldSegment::Kind::kData) at->kind = HeldSegment::Kind::kCounted;
    HeldSegment* next = at->next;
    HeldSegment* previous = at->previous;
    if (previous != nullptr && previous->kind == at->kind && previous->end == at->begin) {
      previous->end = at->end;
      previous->after = std::max(previous->after, at->after);
      previous->next = next;
      (next == nullptr ? last_ : next->previous) = previous;
      pool_.Return(at);
      --held_;
    }
    at = next;
  }
}

uint64_t StreamReassembler::waiting_bytes() const {
  uint64_t sum = 0;
  for (const HeldSegment* at = first_; at != nullptr; at = at->next) sum += at->end - at->begin;
  return sum;
}

void StreamReassembler::Discard() {
  while (first_ != nullptr) {
    HeldSegment* next = first_->next;
    pool_.Return(first_);
    first_ = next;
  }
  last_ = nullptr;
  held_ = 0;
}

void StreamReassembler::Push(uint32_t sequence, std::string_view payload, uint32_t wire_bytes,
                             uint64_t after, uint64_t peer, StreamReceiver& receiver) {
  uint64_t begin = Unwrap(sequence);
  const uint64_t end = begin + wire_bytes;
  if (end + kRetransmissionBytesMax < next_) {
    while (first_ != nullptr) GiveUp(receiver);
    receiver.OnGap(0);
    skipped_.reset();
    next_ = begin;
  }
  if (begin < next_) {
    const uint64_t old_end = std::min(end, next_);
    Late(begin, old_end, receiver);
    if (end <= next_) return;
    payload.remove_prefix(std::min<size_t>(payload.size(), next_ - begin));
    begin = next_;
  }
  const bool may_deliver = after <= std::max(peer, not_after_);
  if (begin == next_ && may_deliver && (first_ == nullptr || end <= first_->begin)) {
    Deliver(begin, payload, end, receiver);
  } else {
    const uint64_t captured_end = begin + payload.size();
    Hold(begin, captured_end, payload.data(),
         count_only_ ? HeldSegment::Kind::kCounted : HeldSegment::Kind::kData, after);
    Hold(captured_end, end, nullptr, HeldSegment::Kind::kCut, after);
  }
  Resume(peer, receiver);
}

void StreamReassembler::Finish(uint32_t sequence, StreamReceiver& receiver) {
  const uint64_t finish = Unwrap(sequence);
  if (finish < next_) return;
  finish_known_ = true;
  finish_ = finish;
  CheckEnd(receiver);
}

void StreamReassembler::Resume(uint64_t peer, StreamReceiver& receiver) {
  while (first_ != nullptr && first_->begin == next_ &&
         first_->after <= std::max(peer, not_after_)) {
    PopFirst(receiver);
  }
  CheckEnd(receiver);
}

void StreamReassembler::GiveUp(StreamReceiver& receiver) {
  if (first_ == nullptr) return;
  not_after_ = std::max(not_after_, first_->after);
  if (first_->begin > next_) {
    const uint64_t missing = first_->begin - next_;
    Skip(next_, first_->begin);
    next_ = first_->begin;
    receiver.OnGap(missing);
  }
  Resume(not_after_, receiver);
}

void StreamReassembler::Late(uint64_t begin, uint64_t end, StreamReceiver& receiver) {
  uint64_t late = 0;
  if (skipped_ != nullptr) late = TakeSkipped(begin, end);
  counters_.retransmitted_bytes.Add(end - begin - late);
  if (late > 0) receiver.OnLate(late);
}

uint64_t StreamReassembler::TakeSkipped(uint64_t begin, uint64_t end) {
  std::vector<Range>& skipped = *skipped_;
  uint64_t taken = 0;
  for (size_t i = 0; i < skipped.size();) {
    const Range range = skipped[i];
    const uint64_t from = std::max(begin, range.begin);
    const uint64_t to = std::min(end, range.end);
    if (from >= to) {
      ++i;
      continue;
    }
    taken += to - from;
    if (range.begin < from && to < range.end) {
      skipped[i].end = from;
      skipped.insert(skipped.begin() + static_cast<ptrdiff_t>(i) + 1, {to, range.end});
      i += 2;
    } else if (range.begin < from) {
      skipped[i++].end = from;
    } else if (to < range.end) {
      skipped[i++].begin = to;
    } else {
      skipped.erase(skipped.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  if (skipped.size() > kSkippedRangesMax) {
    skipped.erase(skipped.begin(), skipped.end() - kSkippedRangesMax);
  }
  return taken;
}

void StreamReassembler::Skip(uint64_t begin, uint64_t end) {
  if (skipped_ == nullptr) skipped_ = std::make_unique<std::vector<Range>>();
  if (skipped_->size() == kSkippedRangesMax) skipped_->erase(skipped_->begin());
  skipped_->push_back({begin, end});
}

void StreamReassembler::Deliver(uint64_t begin, std::string_view payload, uint64_t end,
                                StreamReceiver& receiver) {
  next_ = end;
  if (!payload.empty()) receiver.OnData(payload);
  const uint64_t cut = end - begin - payload.size();
  if (cut > 0) receiver.OnCut(cut);
}

void StreamReassembler::Hold(uint64_t begin, uint64_t end, const char* data, HeldSegment::Kind kind,
                             uint64_t after) {
  HeldSegment* at = last_;
  while (at != nullptr && at->begin > begin) at = at->previous;
  while (begin < end) {
    if (at != nullptr && at->end > begin) {
      const uint64_t covered = std::min(end, at->end) - begin;
      counters_.retransmitted_bytes.Add(covered);
      if (data != nullptr) {
        if (at->kind == HeldSegment::Kind::kData &&
            std::memcmp(at->data.data() + (begin - at->begin), data, covered) != 0) {
          counters_.conflicting_bytes.Add(covered);
        }
        data += covered;
      }
      begin += covered;
      continue;
    }
    HeldSegment* next = at == nullptr ? first_ : at->next;
    const uint64_t piece_end = next == nullptr ? end : std::min(end, next->begin);
    if (piece_end > begin) {
      at = Append(at, begin, piece_end, data, kind, after);
      if (data != nullptr) data += piece_end - begin;
      begin = piece_end;
    }
    if (begin < end) at = next;
  }
}

HeldSegment* StreamReassembler::Append(HeldSegment* at, uint64_t begin, uint64_t end,
                                       const char* data, HeldSegment::Kind kind, uint64_t after) {
  while (begin < end) {
    const bool is_data = kind == HeldSegment::Kind::kData;
    const bool adjoins =
        at != nullptr && at->end == begin && at->kind == kind && at->after >= after;
    if (!adjoins || (is_data && at->end - at->begin == HeldSegment::kBytesMax)) {
      HeldSegment* segment = pool_.Take();
      ++held_;
      segment->begin = segment->end = begin;
      segment->kind = kind;
      segment->after = after;
      segment->seam_count = 0;
      segment->previous = at;
      segment->next = at == nullptr ? first_ : at->next;
      (at == nullptr ? first_ : at->next) = segment;
      (segment->next == nullptr ? last_ : segment->next->previous) = segment;
      at = segment;
    }
    uint64_t bytes = end - begin;
    if (is_data) {
      const uint64_t filled = at->end - at->begin;
      if (filled > 0 && at->seam_count < HeldSegment::kSeamsMax) {
        at->seams[at->seam_count++] = static_cast<uint16_t>(filled);
      }
      bytes = std::min(bytes, HeldSegment::kBytesMax - filled);
      std::memcpy(at->data.data() + filled, data, bytes);
      data += bytes;
    }
    at->end += bytes;
    begin += bytes;
  }
  return at;
}

void StreamReassembler::PopFirst(StreamReceiver& receiver) {
  HeldSegment* segment = first_;
  first_ = segment->next;
  (first_ == nullptr ? last_ : first_->previous) = nullptr;
  --held_;
  next_ = segment->end;
  const uint64_t bytes = segment->end - segment->begin;
  switch (segment->kind) {
    case HeldSegment::Kind::kData: {
      size_t from = 0;
      for (size_t i = 0; i < segment->seam_count; ++i) {
        receiver.OnData({segment->data.data() + from, segment->seams[i] - from});
        from = segment->seams[i];
      }
      receiver.OnData({segment->data.data() + from, bytes - from});
      break;
    }
    case HeldSegment::Kind::kCounted:
      receiver.OnCounted(bytes);
      break;
    case HeldSegment::Kind::kCut:
      receiver.OnCut(bytes);
      break;
  }
  pool_.Return(segment);
}

void StreamReassembler::CheckEnd(StreamReceiver& receiver) {
  if (!finish_known_ || next_ != finish_) return;
  finish_known_ = false;
  // A FIN takes a number of its own.
  ++next_;
  receiver.OnEnd();
}

}  // namespace skimwatch::traffic
