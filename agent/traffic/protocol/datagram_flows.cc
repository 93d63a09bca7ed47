#include "agent/traffic/protocol/datagram_flows.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "agent/traffic/protocol/dns_message.h"
#include "agent/traffic/protocol/syslog_parser.h"

namespace skimwatch::traffic {
namespace {

// A record of DTLS 1.0 to 1.2, or a handshake's of 1.3 (RFC 6347 4.1, RFC 9147 4).
bool BeginsAsDtls(std::string_view payload) {
  constexpr size_t kHeaderBytes = 13;
  if (payload.size() < kHeaderBytes) return false;
  const auto at = [payload](size_t i) { return static_cast<uint8_t>(payload[i]); };
  constexpr uint8_t kTypeMin = 20;
  constexpr uint8_t kTypeMax = 26;
  if (at(0) < kTypeMin || at(0) > kTypeMax || at(1) != 0xfe) return false;
  if (at(2) != 0xff && at(2) != 0xfd && at(2) != 0xfc) return false;
  const size_t length = static_cast<size_t>(at(11)) << 8 | at(12);
  return length > 0 && kHeaderBytes + length <= payload.size();
}

// Whether a datagram ends in plain text, which ciphertext does once in 10^10: what only begins like
// QUIC or DTLS must not go unseen.
bool EndsAsText(std::string_view payload) {
  constexpr size_t kTextBytesMin = 24;
  if (payload.size() < kTextBytesMin) return false;
  const std::string_view end = payload.substr(payload.size() - kTextBytesMin);
  return std::all_of(end.begin(), end.end(), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\t' || c == '\n' || c == '\r';
  });
}

}  // namespace

DatagramFlows::Flow& DatagramFlows::FlowOf(const UdpDatagram& datagram) {
  const FlowKey key(datagram.source, datagram.destination);
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    by_age_.splice(by_age_.end(), by_age_, it->second);
    return *it->second;
  }
  if (by_age_.size() >= context_.options.flows_max) {
    by_age_.front().context.TellEncrypted();
    by_key_.erase(by_age_.front().key);
    by_age_.pop_front();
  }
  Flow& flow = by_age_.emplace_back(context_);
  flow.key = key;
  flow.context.draw.unit = context_.sampler.UnitOf(key.low, key.high);
  by_key_.emplace(key, std::prev(by_age_.end()));
  context_.counters.datagram_flows_active.Set(by_age_.size());
  return flow;
}

void DatagramFlows::Take(const UdpDatagram& datagram, absl::Time now) {
  context_.counters.datagrams.Add();
  context_.counters.datagram_bytes.Add(datagram.payload_wire_bytes);
  if (datagram.payload_wire_bytes == 0) return;
  Flow& flow = FlowOf(datagram);
  flow.last_seen = flow.context.now = now;
  flow.context.DecideFlow();
  if (!flow.context.sample[0].chosen) {
    return context_.coverage.Add(Reason::kSampledOutFlow, datagram.payload_wire_bytes);
  }
  flow.context.Count(Reason::kTruncatedSnapshot,
                     datagram.payload_wire_bytes - datagram.payload.size());
  if (!datagram.payload.empty()) TakePayload(flow, datagram);
}

void DatagramFlows::SetClient(Flow& flow, const Endpoint& client, const Endpoint& server) {
  if (flow.has_client) return;
  flow.has_client = true;
  flow.client = client;
  flow.context.client = {client.ip.ToString(), client.port};
  flow.context.server = {server.ip.ToString(), server.port};
  flow.context.service_site = context_.sites.SiteOfService(server);
  flow.context.to_service = flow.context.service_site != nullptr;
}

// A service is the server, then the lower port, then who did not begin.
void DatagramFlows::GuessClient(Flow& flow, const UdpDatagram& datagram) {
  const Endpoint& source = datagram.source;
  const Endpoint& destination = datagram.destination;
  const bool from_service = context_.sites.SiteOfService(source) != nullptr;
  const bool to_service = context_.sites.SiteOfService(destination) != nullptr;
  const bool from_server =
      from_service != to_service ? from_service : source.port < destination.port;
  SetClient(flow, from_server ? destination : source, from_server ? source : destination);
}

Sender DatagramFlows::SenderOf(const Flow& flow, const UdpDatagram& datagram) const {
  return datagram.source == flow.client ? Sender::kClient : Sender::kServer;
}

void DatagramFlows::TakePayload(Flow& flow, const UdpDatagram& datagram) {
  const std::string_view payload = datagram.payload;
  const bool is_whole = payload.size() == datagram.payload_wire_bytes;
  FlowContext& context = flow.context;
  const bool may_be_encrypted = !EndsAsText(payload);
  if (may_be_encrypted && (flow.is_quic || BeginsAsQuic(payload))) return TakeQuic(flow, datagram);
  if (may_be_encrypted && BeginsAsDtls(payload)) {
    return context.Count(Reason::kUndecodableEncrypted, payload.size());
  }
  if (is_whole && MayBeDnsMessage(payload)) {
    const bool is_response = IsDnsResponse(payload);
    SetClient(flow, is_response ? datagram.destination : datagram.source,
              is_response ? datagram.source : datagram.destination);
    if (context_.dns_names.Take(context, SenderOf(flow, datagram), payload)) return;
    context.counters(Protocol::kDns).errors.Add();
  }
  const bool is_syslog = BeginsAsSyslog(payload);
  if (is_syslog) SetClient(flow, datagram.source, datagram.destination);
  GuessClient(flow, datagram);
  const Sender sender = SenderOf(flow, datagram);
  context.Count(context.ReasonOf(sender), payload.size());
  if (is_syslog) context.counters(Protocol::kSyslog).messages.Add();
  if (!context.Scans(sender)) return;
  Provenance provenance;
  context.Fill(sender, std::string_view(), provenance);
  provenance.protocol = is_syslog ? Protocol::kSyslog : Protocol::kUnknown;
  PartConsumer* consumer =
      context_.sink.BeginPart(provenance, is_syslog ? Part::kMessage : Part::kStream);
  consumer->Data(payload);
  consumer->End();
}

void DatagramFlows::TakeQuic(Flow& flow, const UdpDatagram& datagram) {
  FlowContext& context = flow.context;
  if (!flow.is_quic) {
    flow.is_quic = true;
    flow.hello = std::make_unique<QuicInitialReader>();
    context.counters(Protocol::kQuic).streams.Add();
  }
  // Who is the client may show only now, with the ClientHello; until then there is not much.
  const auto count = [&] {
    context.CountEncrypted(flow.has_client ? SenderOf(flow, datagram) : Sender::kServer,
                           datagram.payload.size(), Protocol::kQuic);
  };
  // Either end may be the first that is seen; only the client's packets can be read with its keys.
  if (flow.hello == nullptr || (flow.has_client && datagram.source != flow.client) ||
      !flow.hello->Take(datagram.payload)) {
    return count();
  }
  const std::unique_ptr<QuicInitialReader> hello = std::move(flow.hello);
  if (!hello->message().empty()) {
    SetClient(flow, datagram.source, datagram.destination);
    context.Observe(hello->message(), Protocol::kQuic);
  }
  count();
}

void DatagramFlows::Expire(absl::Time before) {
  while (!by_age_.empty() && by_age_.front().last_seen < before) {
    by_age_.front().context.TellEncrypted();
    by_key_.erase(by_age_.front().key);
    by_age_.pop_front();
  }
  context_.counters.datagram_flows_active.Set(by_age_.size());
}

}  // namespace skimwatch::traffic
