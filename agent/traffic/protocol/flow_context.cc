#include "agent/traffic/protocol/flow_context.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/traffic/protocol/client_hello.h"
#include "agent/traffic/protocol/http_request.h"

namespace skimwatch::traffic {

Direction FlowContext::DirectionOf(Sender sender) const {
  if (to_service) {
    return sender == Sender::kClient ? Direction::kInboundRequest : Direction::kOutboundResponse;
  }
  return sender == Sender::kClient ? Direction::kOutboundRequest : Direction::kInboundResponse;
}

bool FlowContext::Wants(Sender sender) const {
  return decoder.options.scan_inbound || to_service == (sender == Sender::kServer);
}

Reason FlowContext::ReasonOf(Sender sender) const {
  if (!Wants(sender)) return Reason::kInbound;
  const SampleDecision& decision = sample_of(sender);
  if (decision.chosen) return Reason::kScanned;
  switch (decision.priority) {
    case Priority::kLow:
      return Reason::kSampledOutLow;
    case Priority::kHigh:
      return Reason::kSampledOutHigh;
    case Priority::kNormal:
    case Priority::kCount:
      break;
  }
  return Reason::kSampledOutNormal;
}

void FlowContext::DecideFlow(Sender sender) {
  sample_of(sender) =
      Decide(draw.unit, decoder.options.sampled_last ? Priority::kHigh : Priority::kNormal);
}

SampleDecision FlowContext::Decide(uint64_t unit, Priority priority) const {
  SampleDecision decision = decoder.sampler.Decide(unit, priority);
  // The flow's own draw is below both shares; another one is independent of it.
  decision.probability = unit == draw.unit ? std::min(decision.probability, draw.followed)
                                           : decision.probability * draw.followed;
  return decision;
}

void FlowContext::DecideMessage(Sender sender, const HttpRequest& request,
                                std::string_view content_type, uint64_t body_bytes) {
  SampleDecision& decision = sample_of(sender);
  if (decoder.sampler.takes_all() && draw.followed >= 1) {
    decision = {.unit = decision.unit};
    return;
  }
  Priority priority = Priority::kHigh;
  if (!decoder.options.sampled_last) {
    const std::string* site = service_site;
    if (site == nullptr && !request.host.empty()) site = decoder.sites.SiteOfHost(request.host);
    priority =
        decoder.sampler.PriorityOf({.site = site == nullptr ? decoder.options.default_site : *site,
                                    .host = request.host,
                                    .path = request.path,
                                    .server_address = server.ip,
                                    .direction = DirectionOf(sender),
                                    .content_type = content_type,
                                    .body_bytes = body_bytes});
  }
  decision = Decide(decision.unit, priority);
}

bool FlowContext::NextWindow(Sender sender) {
  SampleDecision& decision = sample_of(sender);
  if (decoder.sampler.takes_all() && decision.chosen && decision.probability >= 1) return false;
  const size_t index = sender == Sender::kClient ? 0 : 1;
  const uint64_t next =
      decoder.sampler.UnitOfWindow(draw.unit, static_cast<int>(index), ++windows[index]);
  decision = Decide(next, decision.priority);
  return true;
}

void FlowContext::Fill(Sender sender, std::string_view host, Provenance& provenance) const {
  provenance.source = decoder.options.source;
  provenance.protocol = protocol;
  provenance.direction = DirectionOf(sender);
  provenance.client = client;
  provenance.server = server;
  if (host.empty()) host = server_name;
  provenance.host = host;
  provenance.server_name = server_name;
  provenance.process = process;
  const std::string* site = service_site;
  if (site == nullptr && !host.empty()) site = decoder.sites.SiteOfHost(host);
  provenance.site = site == nullptr ? decoder.options.default_site : *site;
  provenance.seen_at = now;
  const SampleDecision& decision = sample_of(sender);
  provenance.sampling_probability = sampling_probability * decision.probability;
  provenance.sampling_unit = decision.unit;
  provenance.continues = provenance.repeats = false;
}

bool FlowContext::Observe(std::string_view client_hello, Protocol of) {
  std::optional<ClientHello> hello = ParseClientHello(client_hello);
  if (!hello.has_value()) {
    counters(of).errors.Add();
    return false;
  }
  counters(of).messages.Add();
  if (Scans(Sender::kClient) && !hello->server_name.empty()) {
    // A name can carry anything to whoever resolves it or is reached by it.
    Provenance provenance;
    Fill(Sender::kClient, HostName(hello->server_name), provenance);
    provenance.protocol = of;
    PartConsumer* consumer = decoder.sink.BeginPart(provenance, Part::kName);
    consumer->Data(hello->server_name);
    consumer->End();
  }
  std::string name = HostName(hello->server_name);
  if (decoder.destinations == nullptr) return true;
  DestinationObservation observation;
  Fill(Sender::kClient, name, observation.provenance);
  observation.provenance.protocol = of;
  observation.ja4 = Ja4(*hello, of == Protocol::kQuic ? Ja4Transport::kQuic : Ja4Transport::kTcp);
  observation.alpn = std::move(hello->alpn);
  observation.has_encrypted_hello = hello->has_encrypted_hello;
  decoder.destinations->OnDestination(observation);
  if (server_name.empty()) server_name = std::move(name);
  return true;
}

void FlowContext::CountEncrypted(Sender sender, uint64_t bytes, Protocol of) {
  Count(Reason::kUndecodableEncrypted, bytes);
  if (decoder.destinations == nullptr || to_service || sender != Sender::kClient) return;
  // Large enough to be told rarely, and for the ClientHello to come first.
  constexpr uint64_t kTellEveryBytes = uint64_t{16} << 10;
  encrypted_by = of;
  encrypted_bytes += bytes;
  if (encrypted_bytes - encrypted_told >= kTellEveryBytes) TellEncrypted();
}

void FlowContext::TellEncrypted() {
  if (encrypted_bytes == encrypted_told) return;
  Provenance provenance;
  Fill(Sender::kClient, std::string_view(), provenance);
  provenance.protocol = encrypted_by;
  decoder.destinations->OnUnreadable(provenance, encrypted_bytes - encrypted_told, encrypted_bytes);
  encrypted_told = encrypted_bytes;
}

}  // namespace skimwatch::traffic
