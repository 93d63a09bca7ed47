#include "agent/traffic/protocol/flow_context.h"

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
  provenance.host = host;
  const std::string* site = service_site;
  if (site == nullptr && !host.empty()) site = decoder.sites.SiteOfHost(host);
  provenance.site = site == nullptr ? decoder.options.default_site : *site;
  provenance.seen_at = now;
  provenance.sampling_probability = decoder.options.flow_ratio;
}

}  // namespace skimwatch::traffic
