#include "tests/agent/traffic/protocol/decoder_harness.h"

#include <utility>

namespace skimwatch::traffic::testing {

std::shared_ptr<const SiteMap> TestSites() {
  SiteMap::Sites sites;
  config::v1::Site& shop = *sites.Add();
  shop.set_name("shop");
  shop.add_hosts("shop.example");
  shop.add_hosts("*.shop.example");
  shop.add_services(std::string(kShop));
  return SiteMap::Create(sites, nullptr).value();
}

DecoderHarness::DecoderHarness(TrafficDecoderOptions options)
    : decoder(std::move(options), TestSites(), coverage, sink) {}

TrafficDecoderOptions DecoderHarness::OutboundOnly() {
  TrafficDecoderOptions options;
  options.default_site = "fallback";
  return options;
}

TrafficDecoderOptions DecoderHarness::AllTraffic() {
  TrafficDecoderOptions options = OutboundOnly();
  options.scan_inbound = true;
  return options;
}

void DecoderHarness::Feed(const std::vector<Packet>& packets) {
  for (const Packet& packet : packets) decoder.OnPacket(packet.view());
}

void DecoderHarness::Run(const std::vector<Packet>& packets) {
  Feed(packets);
  decoder.Flush();
}

std::string DecoderHarness::CoverageText() const {
  std::string text;
  for (size_t i = 0; i < static_cast<size_t>(Reason::kCount); ++i) {
    const auto reason = static_cast<Reason>(i);
    if (covered(reason) == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::string(ReasonName(reason)) + ' ' + std::to_string(covered(reason));
  }
  return text;
}

TcpConversation OpenOutbound() {
  TcpConversation tcp(At(kShopOut), At(kProcessor));
  tcp.Open();
  return tcp;
}

TcpConversation OpenInbound() {
  TcpConversation tcp(At(kShopper), At(kShop));
  tcp.Open();
  return tcp;
}

}  // namespace skimwatch::traffic::testing
