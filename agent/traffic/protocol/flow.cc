#include "agent/traffic/protocol/flow.h"

#include <algorithm>
#include <utility>

namespace skimwatch::traffic {
namespace {

// A RST is believed when it is this near: the capture may have missed some data before it, and
// being wrong costs little, for data after it is picked up again.
constexpr uint64_t kResetWindow = uint64_t{1} << 20;
// Nothing is acknowledged that was sent further ahead than this.
constexpr uint64_t kAcknowledgedAheadMax = uint64_t{1} << 24;
constexpr uint64_t kSynBeforeDataMax = uint64_t{1} << 20;

}  // namespace

Flow::Flow(DecoderContext& context, SegmentPool& pool, const FlowKey& key,
           const std::optional<FlowDraw>& draw)
    : context_(context),
      key_(key),
      draw_(draw.value_or(FlowDraw())),
      sampled_(draw.has_value()),
      sides_{Side(*this, 0, pool, context.counters), Side(*this, 1, pool, context.counters)} {
  if (sampled_) return;
  for (Side& side : sides_) side.stream.CountOnly();
}

bool Flow::Take(const TcpSegment& segment, absl::Time now) {
  context_.now = now;
  const int end = segment.source == key_.low ? 0 : 1;
  if (BeginsAnew(end, segment)) return false;
  Side& side = sides_[static_cast<size_t>(end)];
  Side& peer = sides_[static_cast<size_t>(1 - end)];
  if (segment.rst) {
    if (IsReset(end, segment)) Close(now);
    return true;
  }
  if (segment.syn) TakeSyn(end, segment);
  const uint32_t sequence = segment.sequence + (segment.syn ? 1 : 0);
  if (segment.payload_wire_bytes > 0) {
    if (state_ == State::kClosed &&
        (!side.stream.started() ||
         side.stream.Unwrap(sequence) + segment.payload_wire_bytes > side.stream.position())) {
      return false;
    }
    if (!side.stream.started()) side.stream.Start(sequence, false);
    if (state_ != State::kClosed) state_ = State::kWithData;
    uint64_t after = 0;
    if (segment.ack && NeedsRequests(end) && peer.stream.started()) {
      // Less one, for a FIN that was not captured.
      after = peer.stream.Unwrap(segment.acknowledgment) - 1;
      if (after > peer.stream.position() + kAcknowledgedAheadMax) after = 0;
    }
    side.stream.Push(sequence, segment.payload, segment.payload_wire_bytes, after,
                     peer.stream.position(), side);
    ResumePeer(end);
  }
  if (segment.fin && side.stream.started() && state_ != State::kClosed) {
    side.stream.Finish(sequence + segment.payload_wire_bytes, side);
    ResumePeer(end);
  }
  if (sides_[0].ended && sides_[1].ended) Close(now);
  return true;
}

bool Flow::NeedsRequests(int end) const {
  if (!sampled_) return false;
  if (streams_ != nullptr) return streams_->AnswersNeedRequests() && streams_->client() != end;
  return client_.has_value() && client_ != end;
}

bool Flow::BeginsAnew(int end, const TcpSegment& segment) {
  Side& side = sides_[static_cast<size_t>(end)];
  const Side& peer = sides_[static_cast<size_t>(1 - end)];
  if (segment.rst) return false;
  if (segment.syn && segment.ack) {
    return peer.next_syn.has_value() && segment.acknowledgment == *peer.next_syn + 1;
  }
  if (!segment.syn) {
    return side.next_syn.has_value() && segment.payload_wire_bytes > 0 &&
           segment.sequence == *side.next_syn + 1;
  }
  if (side.syn == segment.sequence) return false;
  if (state_ == State::kClosed) return true;
  if (!side.stream.started()) return false;
  if (state_ == State::kWithoutData) return true;
  const uint64_t begin = side.stream.Unwrap(segment.sequence + 1);
  const bool overtaken_by_data = !side.syn.has_value() && begin <= side.stream.position() &&
                                 side.stream.position() - begin < kSynBeforeDataMax;
  if (!overtaken_by_data) side.next_syn = segment.sequence;
  return false;
}

void Flow::TakeSyn(int end, const TcpSegment& segment) {
  Side& side = sides_[static_cast<size_t>(end)];
  Side& peer = sides_[static_cast<size_t>(1 - end)];
  if (side.next_syn == segment.sequence) return;
  if (!side.syn.has_value()) side.syn = segment.sequence;
  if (!side.stream.started()) side.stream.Start(segment.sequence + 1, true);
  if (segment.ack && !peer.stream.started()) peer.stream.Start(segment.acknowledgment, true);
  if (client_.has_value()) return;
  client_ = segment.ack ? 1 - end : end;
  if (streams_ != nullptr) streams_->SetClient(*client_);
}

bool Flow::IsReset(int end, const TcpSegment& segment) const {
  const StreamReassembler& stream = sides_[static_cast<size_t>(end)].stream;
  if (!stream.started()) return state_ == State::kWithoutData;
  const uint64_t at = stream.Unwrap(segment.sequence);
  return at + 1 >= stream.position() && at <= stream.position() + kResetWindow;
}

void Flow::ResumePeer(int end) {
  Side& peer = sides_[static_cast<size_t>(1 - end)];
  if (peer.stream.waiting()) {
    peer.stream.Resume(sides_[static_cast<size_t>(end)].stream.position(), peer);
  }
}

void Flow::GiveUp(absl::Time now) {
  context_.now = now;
  const bool by_client = sides_[0].stream.held_segments() < sides_[1].stream.held_segments();
  const int end = by_client ? 1 : 0;
  sides_[static_cast<size_t>(end)].stream.GiveUp(sides_[static_cast<size_t>(end)]);
  ResumePeer(end);
}

void Flow::Close(absl::Time now) {
  context_.now = now;
  const int first = streams_ == nullptr ? 0 : streams_->client().value_or(0);
  for (int end : {first, 1 - first}) {
    Side& side = sides_[static_cast<size_t>(end)];
    while (side.stream.waiting()) side.stream.GiveUp(side);
  }
  EndStreams();
}

void Flow::Evict(absl::Time now) {
  context_.now = now;
  for (Side& side : sides_) {
    const uint64_t bytes = side.stream.waiting_bytes();
    if (bytes > 0) {
      context_.coverage.Add(sampled_ ? Reason::kShedFlowTableFull : Reason::kSampledOutFlow, bytes);
    }
    side.stream.Discard();
  }
  EndStreams();
}

void Flow::EndStreams() {
  state_ = State::kClosed;
  if (streams_ == nullptr) return;
  const int first = streams_->client().value_or(0);
  streams_->End(first, context_.now);
  streams_->End(1 - first, context_.now);
  streams_.reset();
}

bool Flow::Rest() {
  if (streams_ == nullptr || waiting() || !client_.has_value() || !streams_->IsAtRest()) {
    return false;
  }
  streams_.reset();
  is_at_rest_ = true;
  return true;
}

FlowStreams& Flow::Streams() {
  if (streams_ == nullptr) {
    streams_ = std::make_unique<FlowStreams>(context_, key_.low, key_.high, draw_);
    if (std::exchange(is_at_rest_, false)) {
      streams_->Resume(*client_);
    } else if (client_.has_value()) {
      streams_->SetClient(*client_);
    }
  }
  return *streams_;
}

void Flow::Side::OnData(std::string_view bytes) {
  if (!flow_.sampled_) return flow_.context_.coverage.Add(Reason::kSampledOutFlow, bytes.size());
  FlowStreams& streams = flow_.Streams();
  streams.Data(end_, bytes, flow_.context_.now);
  if (!streams.WantsBytes(end_)) stream.CountOnly();
}

void Flow::Side::OnCounted(uint64_t bytes) {
  if (!flow_.sampled_) return flow_.context_.coverage.Add(Reason::kSampledOutFlow, bytes);
  flow_.Streams().Counted(end_, bytes);
}

void Flow::Side::OnCut(uint64_t bytes) {
  if (!flow_.sampled_) return flow_.context_.coverage.Add(Reason::kSampledOutFlow, bytes);
  flow_.Streams().Cut(end_, bytes, flow_.context_.now);
}

void Flow::Side::OnGap(uint64_t bytes) {
  flow_.context_.counters.gaps.Add();
  flow_.context_.counters.gap_bytes.Add(bytes);
  if (flow_.sampled_) flow_.Streams().Gap(end_, bytes, flow_.context_.now);
}

void Flow::Side::OnLate(uint64_t bytes) {
  flow_.context_.counters.late_bytes.Add(bytes);
  flow_.context_.coverage.Add(
      flow_.sampled_ ? Reason::kShedReassemblyMemory : Reason::kSampledOutFlow, bytes);
}

void Flow::Side::OnEnd() {
  ended = true;
  if (flow_.streams_ != nullptr) flow_.streams_->End(end_, flow_.context_.now);
}

}  // namespace skimwatch::traffic
