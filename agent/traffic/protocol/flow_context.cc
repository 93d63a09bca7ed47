#include "agent/traffic/protocol/flow_context.h"

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

bool FlowContext::Scans(Sender sender) const {
  return decoder.options.scan_inbound || to_service == (sender == Sender::kServer);
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
  provenance.sampling_probability = sampling_probability * decoder.options.flow_ratio;
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
