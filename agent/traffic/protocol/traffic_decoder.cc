#include "agent/traffic/protocol/traffic_decoder.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "agent/traffic/protocol/datagram_flows.h"
#include "agent/traffic/protocol/decoder_context.h"
#include "agent/traffic/protocol/decoder_counters.h"
#include "agent/traffic/protocol/flow.h"
#include "agent/traffic/protocol/flow_key.h"
#include "agent/traffic/protocol/flow_list.h"
#include "agent/traffic/protocol/packet_decode.h"
#include "agent/traffic/protocol/segment_pool.h"

namespace skimwatch::traffic {
namespace {

// How long a flow that has ended is remembered, for its last segments to be retransmitted.
constexpr absl::Duration kClosedWait = absl::Seconds(30);

// How long two endpoints are remembered that have nothing more to say to each other.
constexpr absl::Duration kDatagramsWait = absl::Seconds(60);

// How often is looked at what waits on time, by the time of packets.
constexpr absl::Duration kLookInterval = absl::Milliseconds(1);

// Flows that are followed without a look whether they could do without.
constexpr size_t kAwakeMax = 1024;

const FlowKey& KeyOf(const FlowKey& key) { return key; }
const FlowKey& KeyOf(const std::unique_ptr<Flow>& flow) { return flow->key(); }

// A table of flows by the key that is in them.
struct HashByKey {
  using is_transparent = void;
  template <typename T>
  size_t operator()(const T& one) const {
    return absl::Hash<FlowKey>()(KeyOf(one));
  }
};
struct EqualByKey {
  using is_transparent = void;
  template <typename T, typename U>
  bool operator()(const T& one, const U& other) const {
    return KeyOf(one) == KeyOf(other);
  }
};

// Time since `then`; a clock that was set back must not keep flows for ever.
absl::Duration Age(absl::Time then, absl::Time now) { return absl::AbsDuration(now - then); }

}  // namespace

// The table of flows, with what moves them on: packets, time, and limits.
class TrafficDecoder::Impl {
 public:
  Impl(TrafficDecoderOptions options, std::shared_ptr<const SiteMap> sites, Coverage& coverage,
       MessageSink& sink, DestinationSink* destinations)
      : options_(std::move(options)),
        sites_(std::move(sites)),
        context_{.options = options_,
                 .sampler = SamplerOf(options_),
                 .sites = *sites_,
                 .coverage = coverage,
                 .sink = sink,
                 .counters = counters_,
                 .destinations = destinations} {}

  ~Impl() { Flush(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void OnPacket(const PacketView& packet) {
    now_ = packet.time;
    const uint64_t wire_bytes = std::max<uint64_t>(packet.wire_bytes, packet.bytes.size());
    counters_.packets.Add();
    counters_.packet_bytes.Add(wire_bytes);
    TcpSegment segment;
    UdpDatagram datagram;
    switch (DecodePacket(packet, segment, datagram)) {
      case Transport::kTcp:
        OnSegment(segment);
        break;
      case Transport::kUdp:
        datagrams_.Take(datagram, now_);
        break;
      case Transport::kNone:
        counters_.packets_undecodable.Add();
        context_.coverage.Add(Reason::kUndecodablePacket, wire_bytes);
    }
    // What waits on time has not to be looked at for every packet of a burst.
    if (Age(looked_at_, packet.time) >= kLookInterval) return OnTime(packet.time);
    counters_.reassembly_bytes.Set(pool_.used_bytes());
  }

  void OnTime(absl::Time now) {
    now_ = looked_at_ = now;
    while (!waiting_.empty() && Age(waiting_.front()->waiting_since, now) > options_.gap_wait) {
      GiveUp(*waiting_.front());
    }
    Expire(Flow::State::kClosed, std::min(kClosedWait, options_.flow_idle));
    Expire(Flow::State::kWithoutData, options_.flow_idle);
    Expire(Flow::State::kWithData, options_.flow_idle);
    datagrams_.Expire(now - std::min(kDatagramsWait, options_.flow_idle));
    context_.dns_names.Expire(now - options_.flow_idle);
    counters_.reassembly_bytes.Set(pool_.used_bytes());
  }

  void Flush() {
    // Not from the table's beginning, which takes longer to find the emptier it gets.
    for (FlowList& list : by_age_) {
      while (!list.empty()) Remove(*list.front());
    }
    datagrams_.Clear();
    context_.dns_names.Clear();
    counters_.reassembly_bytes.Set(pool_.used_bytes());
  }

  Stats stats() const {
    const DecoderCounters& c = counters_;
    Stats stats{.packets = c.packets.value(),
                .packet_bytes = c.packet_bytes.value(),
                .packets_undecodable = c.packets_undecodable.value(),
                .flows = c.flows.value(),
                .flows_active = c.flows_active.value(),
                .flows_sampled_out = c.flows_sampled_out.value(),
                .flows_evicted = c.flows_evicted.value(),
                .gaps = c.gaps.value(),
                .gap_bytes = c.gap_bytes.value(),
                .late_bytes = c.late_bytes.value(),
                .retransmitted_bytes = c.retransmitted_bytes.value(),
                .conflicting_bytes = c.conflicting_bytes.value(),
                .reassembly_bytes = c.reassembly_bytes.value(),
                .requests = c.requests.value(),
                .responses = c.responses.value(),
                .http_errors = c.http_errors.value(),
                .bodies_truncated = c.bodies_truncated.value(),
                .bodies_cut_as_bomb = c.bodies_cut_as_bomb.value(),
                .bodies_undecodable = c.bodies_undecodable.value(),
                .tls_streams = c.tls_streams.value(),
                .raw_streams = c.raw_streams.value(),
                .datagrams = c.datagrams.value(),
                .datagram_bytes = c.datagram_bytes.value(),
                .datagram_flows_active = c.datagram_flows_active.value()};
    for (size_t i = 0; i < stats.protocols.size(); ++i) {
      const DecoderCounters::PerProtocol& one = c.protocols[i];
      stats.protocols[i] = {.streams = one.streams.value(),
                            .messages = one.messages.value(),
                            .errors = one.errors.value()};
    }
    return stats;
  }

 private:
  void OnSegment(const TcpSegment& segment) {
    const FlowKey key(segment.source, segment.destination);
    Flow* flow = Find(key);
    if (flow == nullptr) {
      // What carries nothing begins nothing.
      if (segment.payload_wire_bytes == 0 && (!segment.syn || segment.rst)) return;
      flow = &Create(key);
    }
    if (!flow->Take(segment, now_)) {
      Remove(*flow);
      flow = &Create(key);
      flow->Take(segment, now_);
    }
    latest_ = flow;
    flow->last_seen = now_;
    while (flow->waiting() && flow->held_bytes() > options_.flow_reassembly_bytes_max) {
      flow->GiveUp(now_);
    }
    List(*flow);
    while (!waiting_.empty() && pool_.used_bytes() > options_.reassembly_bytes_max) {
      GiveUp(*waiting_.front());
    }
  }

  // Packets come in bursts of one flow.
  Flow* Find(const FlowKey& key) {
    if (latest_ != nullptr && latest_->key() == key) return latest_;
    const auto it = flows_.find(key);
    return it == flows_.end() ? nullptr : it->get();
  }

  Flow& Create(const FlowKey& key) {
    if (flows_.size() >= options_.flows_max) MakeRoom();
    const std::optional<FlowDraw> draw = context_.sampler.Follow(key.low, key.high);
    auto flow = std::make_unique<Flow>(context_, pool_, key, draw);
    counters_.flows.Add();
    counters_.flows_active.Add();
    if (!draw.has_value()) counters_.flows_sampled_out.Add();
    Flow& created = *flow;
    flows_.insert(std::move(flow));
    return created;
  }

  // Ended flows go first, then those without data (a flood of SYNs must not push out the rest),
  // then the others; of each the one that was seen longest ago.
  void MakeRoom() {
    for (FlowList& list : by_age_) {
      if (list.empty()) continue;
      Flow& flow = *list.front();
      if (flow.state() != Flow::State::kClosed) {
        counters_.flows_evicted.Add();
        flow.Evict(now_);
      }
      return Remove(flow);
    }
  }

  void Remove(Flow& flow) {
    if (flow.state() != Flow::State::kClosed) flow.Close(now_);
    if (!flow.counted_as_closed) counters_.flows_active.Subtract(1);
    StopFollowing(flow);
    if (latest_ == &flow) latest_ = nullptr;
    flows_.erase(flows_.find(flow.key()));
  }

  void StopFollowing(Flow& flow) {
    if (!flow.awake_link.linked()) return;
    flow.awake_link.Unlink();
    --awake_count_;
  }

  // Keeps the number of flows that take memory between their messages within kAwakeMax, where they
  // can do without. One look at a time: what is looked at in vain waits for all the others.
  void ListAwake(Flow& flow) {
    if (!flow.has_streams()) return StopFollowing(flow);
    if (flow.awake_link.linked()) return;
    awake_.Append(flow.awake_link);
    if (++awake_count_ <= kAwakeMax) return;
    Flow& oldest = *awake_.front();
    if (oldest.Rest()) {
      StopFollowing(oldest);
    } else {
      awake_.Append(oldest.awake_link);
    }
  }

  void GiveUp(Flow& flow) {
    flow.GiveUp(now_);
    flow.waiting_link.Unlink();
    ListWaiting(flow);
  }

  void List(Flow& flow) {
    by_age_[static_cast<size_t>(flow.state())].Append(flow.age_link);
    if (flow.state() == Flow::State::kClosed && !flow.counted_as_closed) {
      flow.counted_as_closed = true;
      counters_.flows_active.Subtract(1);
    }
    ListAwake(flow);
    ListWaiting(flow);
  }

  void ListWaiting(Flow& flow) {
    if (!flow.waiting()) return flow.waiting_link.Unlink();
    if (flow.waiting_link.linked() && flow.waiting_position == flow.position()) return;
    flow.waiting_since = now_;
    flow.waiting_position = flow.position();
    waiting_.Append(flow.waiting_link);
  }

  void Expire(Flow::State state, absl::Duration age_max) {
    FlowList& list = by_age_[static_cast<size_t>(state)];
    while (!list.empty() && Age(list.front()->last_seen, now_) > age_max) Remove(*list.front());
  }

  const TrafficDecoderOptions options_;
  const std::shared_ptr<const SiteMap> sites_;
  DecoderCounters counters_;
  DecoderContext context_;
  SegmentPool pool_;
  DatagramFlows datagrams_{context_};
  absl::Time now_;
  absl::Time looked_at_ = absl::InfinitePast();
  // By Flow::State, the flow seen longest ago first.
  std::array<FlowList, 3> by_age_;
  // Of data waiting for something missing, the longest first.
  FlowList waiting_;
  // Flows whose bytes are being followed, those at rest left out.
  FlowList awake_;
  size_t awake_count_ = 0;
  // Of the packet before this one; null where it is gone.
  Flow* latest_ = nullptr;
  absl::flat_hash_set<std::unique_ptr<Flow>, HashByKey, EqualByKey> flows_;
};

TrafficDecoder::TrafficDecoder(TrafficDecoderOptions options, std::shared_ptr<const SiteMap> sites,
                               Coverage& coverage, MessageSink& sink, DestinationSink* destinations)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(sites), coverage, sink,
                                   destinations)) {}

TrafficDecoder::~TrafficDecoder() = default;

void TrafficDecoder::OnPacket(const PacketView& packet) { impl_->OnPacket(packet); }

void TrafficDecoder::OnIdle(absl::Time now) { impl_->OnTime(now); }

void TrafficDecoder::Flush() { impl_->Flush(); }

TrafficDecoder::Stats TrafficDecoder::stats() const { return impl_->stats(); }

}  // namespace skimwatch::traffic
