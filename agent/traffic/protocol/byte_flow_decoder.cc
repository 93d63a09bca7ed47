#include "agent/traffic/protocol/byte_flow_decoder.h"

#include <array>
#include <cstring>
#include <list>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "agent/traffic/protocol/decoder_context.h"
#include "agent/traffic/protocol/decoder_counters.h"
#include "agent/traffic/protocol/flow_key.h"
#include "agent/traffic/protocol/flow_streams.h"

namespace skimwatch::traffic {
namespace {

constexpr int kClient = 0;
constexpr int kServer = 1;

// What the sampling hash takes: the endpoints, so that a capture of the same flow agrees, or, where
// the source does not know both, what it calls the flow.
FlowKey KeyOf(uint64_t id, const ByteFlow& info) {
  const std::optional<IpAddress> client = IpAddress::Parse(info.client.ip);
  const std::optional<IpAddress> server = IpAddress::Parse(info.server.ip);
  if (client.has_value() && server.has_value() && info.client.port != 0 && info.server.port != 0) {
    return FlowKey({.ip = *client, .port = info.client.port},
                   {.ip = *server, .port = info.server.port});
  }
  std::array<uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &id, sizeof(id));
  return FlowKey({.ip = IpAddress::V6(bytes.data())}, Endpoint());
}

}  // namespace

class ByteFlowDecoder::Impl {
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

  void Open(uint64_t id, const ByteFlow& info, absl::Time now) {
    End(id, now);
    if (flows_.size() >= options_.flows_max) {
      counters_.flows_evicted.Add();
      End(by_age_.front(), now);
    }
    Entry& entry = flows_[id];
    const FlowKey key = KeyOf(id, info);
    if (const std::optional<FlowDraw> draw = context_.sampler.Follow(key.low, key.high)) {
      entry.streams = std::make_unique<FlowStreams>(context_, info, *draw);
    } else {
      counters_.flows_sampled_out.Add();
    }
    entry.last_seen = now;
    entry.place = by_age_.insert(by_age_.end(), id);
    counters_.flows.Add();
    counters_.flows_active.Add();
  }

  void Data(uint64_t id, bool from_client, std::string_view bytes, absl::Time now) {
    Entry* entry = Find(id, now);
    if (entry == nullptr) return context_.coverage.Add(Reason::kShedFlowTableFull, bytes.size());
    if (entry->streams == nullptr) {
      return context_.coverage.Add(Reason::kSampledOutFlow, bytes.size());
    }
    entry->streams->Data(from_client ? kClient : kServer, bytes, now);
  }

  void Shed(uint64_t id, bool from_client, uint64_t bytes, absl::Time now) {
    Entry* entry = Find(id, now);
    if (entry == nullptr || entry->streams == nullptr) return;
    counters_.gaps.Add();
    entry->streams->Gap(from_client ? kClient : kServer, bytes, now);
  }

  void End(uint64_t id, absl::Time now) {
    const auto it = flows_.find(id);
    if (it == flows_.end()) return;
    const std::unique_ptr<FlowStreams> streams = std::move(it->second.streams);
    by_age_.erase(it->second.place);
    flows_.erase(it);
    counters_.flows_active.Subtract(1);
    if (streams == nullptr) return;
    for (int end : {kClient, kServer}) streams->End(end, now);
  }

  void Expire(absl::Time now) {
    while (!by_age_.empty() &&
           absl::AbsDuration(now - flows_.at(by_age_.front()).last_seen) > options_.flow_idle) {
      End(by_age_.front(), now);
    }
    context_.dns_names.Expire(now - options_.flow_idle);
  }

  void Flush() {
    while (!by_age_.empty()) End(by_age_.front(), flows_.at(by_age_.front()).last_seen);
    context_.dns_names.Clear();
  }

  Stats stats() const {
    const DecoderCounters& c = counters_;
    return {.flows = c.flows.value(),
            .flows_active = c.flows_active.value(),
            .flows_sampled_out = c.flows_sampled_out.value(),
            .flows_evicted = c.flows_evicted.value(),
            .gaps = c.gaps.value(),
            .requests = c.requests.value(),
            .responses = c.responses.value(),
            .http_errors = c.http_errors.value(),
            .bodies_truncated = c.bodies_truncated.value(),
            .bodies_cut_as_bomb = c.bodies_cut_as_bomb.value(),
            .bodies_undecodable = c.bodies_undecodable.value(),
            .tls_streams = c.tls_streams.value(),
            .raw_streams = c.raw_streams.value()};
  }

 private:
  struct Entry {
    // Null where the flow is not sampled.
    std::unique_ptr<FlowStreams> streams;
    absl::Time last_seen;
    std::list<uint64_t>::iterator place;
  };

  Entry* Find(uint64_t id, absl::Time now) {
    const auto it = flows_.find(id);
    if (it == flows_.end()) return nullptr;
    by_age_.splice(by_age_.end(), by_age_, it->second.place);
    it->second.last_seen = now;
    return &it->second;
  }

  const TrafficDecoderOptions options_;
  const std::shared_ptr<const SiteMap> sites_;
  DecoderCounters counters_;
  DecoderContext context_;
  // The one that was silent longest first.
  std::list<uint64_t> by_age_;
  absl::flat_hash_map<uint64_t, Entry> flows_;
};

ByteFlowDecoder::ByteFlowDecoder(TrafficDecoderOptions options,
                                 std::shared_ptr<const SiteMap> sites, Coverage& coverage,
                                 MessageSink& sink, DestinationSink* destinations)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(sites), coverage, sink,
                                   destinations)) {}
ByteFlowDecoder::~ByteFlowDecoder() = default;

void ByteFlowDecoder::OnOpen(uint64_t flow, const ByteFlow& info, absl::Time now) {
  impl_->Open(flow, info, now);
}
void ByteFlowDecoder::OnData(uint64_t flow, bool from_client, std::string_view bytes,
                             absl::Time now) {
  impl_->Data(flow, from_client, bytes, now);
}
void ByteFlowDecoder::OnShed(uint64_t flow, bool from_client, uint64_t bytes, absl::Time now) {
  impl_->Shed(flow, from_client, bytes, now);
}
void ByteFlowDecoder::OnEnd(uint64_t flow, absl::Time now) { impl_->End(flow, now); }
void ByteFlowDecoder::OnIdle(absl::Time now) { impl_->Expire(now); }
void ByteFlowDecoder::Flush() { impl_->Flush(); }
ByteFlowDecoder::Stats ByteFlowDecoder::stats() const { return impl_->stats(); }

}  // namespace skimwatch::traffic
