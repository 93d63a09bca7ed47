#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_DECODER_HARNESS_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_DECODER_HARNESS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/traffic/coverage.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "tests/agent/traffic/support/recording_sink.h"
#include "tests/agent/traffic/support/tcp_conversation.h"

namespace skimwatch::traffic::testing {

// A shop: its web server is the service, its payment processor is somebody else's.
inline constexpr std::string_view kShopper = "203.0.113.7:40000";
inline constexpr std::string_view kShop = "192.0.2.10:80";
inline constexpr std::string_view kShopOut = "192.0.2.10:51000";
inline constexpr std::string_view kProcessor = "198.51.100.20:80";

// The site `shop` of a DecoderHarness.
std::shared_ptr<const SiteMap> TestSites();

// A decoder with what it needs. The site `shop` has the service kShop and the hosts shop.example
// and *.shop.example; `fallback` is the default site.
class DecoderHarness {
 public:
  explicit DecoderHarness(TrafficDecoderOptions options = AllTraffic());

  // Everything is scanned, whatever its direction.
  static TrafficDecoderOptions AllTraffic();
  // As live capture does by default.
  static TrafficDecoderOptions OutboundOnly();

  void Feed(const std::vector<Packet>& packets);
  // Feed and Flush.
  void Run(const std::vector<Packet>& packets);
  void Run(const TcpConversation& tcp) { Run(tcp.packets()); }

  uint64_t covered(Reason reason) const { return coverage.bytes(reason); }
  // All reasons with bytes: `scanned 120, inbound.not_asked 12`.
  std::string CoverageText() const;

  Coverage coverage;
  RecordingSink sink;
  TrafficDecoder decoder;
};

// A connection from the shop to its processor that is open.
TcpConversation OpenOutbound();
// The same from a shopper to the shop.
TcpConversation OpenInbound();

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_DECODER_HARNESS_H_
