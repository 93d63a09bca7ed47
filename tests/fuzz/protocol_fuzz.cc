// A conversation of one of the protocols that are found by content, then anything: never a crash, a
// hang, or a part that stays open, and every byte is counted once.
//
// Input: a byte that chooses how the conversation begins, then pieces as in http_fuzz, or
// datagrams.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "agent/traffic/coverage.h"
#include "agent/traffic/destination.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "tests/agent/traffic/support/tcp_conversation.h"
#include "tests/agent/traffic/support/udp_builder.h"
#include "tests/fuzz/checking_sink.h"

namespace skimwatch::traffic {
namespace {

class Destinations final : public DestinationSink {
 public:
  void OnDestination(const DestinationObservation& observation) override {
    if (observation.ja4.size() != 36) std::abort();
  }
};

struct Beginning {
  std::string_view client;
  std::string_view server;
};

constexpr std::array<Beginning, 9> kBeginnings = {{
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", std::string_view("\0\0\0\4\0\0\0\0\0", 9)},
    {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
     "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: "
     "permessage-deflate\r\n\r\n"},
    {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n"},
    {"EHLO x\r\n", "220 ESMTP\r\n"},
    {"USER x\r\n", "220 FTP\r\n"},
    {"<13>1 x\n", ""},
    {std::string_view("\0\x1d\0\0\1\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1", 31), ""},
    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"},
    {std::string_view("\x16\3\1\2\0\1\0\1\xfc\3\3", 11), ""},
}};

void Run(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const SiteMap> kSites = SiteMap::Create({}, nullptr).value();
  if (size == 0) return;
  TrafficDecoderOptions options;
  options.default_site = "s";
  options.scan_inbound = true;
  options.body_bytes_max = 1 << 20;
  Coverage coverage;
  testing::CheckingSink sink;
  Destinations destinations;
  TrafficDecoder decoder(options, kSites, coverage, sink, &destinations);
  uint64_t bytes = 0;
  const size_t choice = *data++ % (kBeginnings.size() + 2);
  --size;
  if (choice >= kBeginnings.size()) {
    while (size >= 2) {
      const size_t length = std::min<size_t>(size_t{data[0]} << 3 | (data[1] & 7), size - 2);
      const bool by_client = (data[1] & 0x80) == 0;
      const Endpoint client = testing::At("192.0.2.1:4000");
      const Endpoint server = testing::At("192.0.2.2:53");
      const std::string payload(reinterpret_cast<const char*>(data) + 2, length);
      decoder.OnPacket(
          testing::UdpPacket(by_client ? client : server, by_client ? server : client, payload)
              .view());
      bytes += length;
      data += 2 + length;
      size -= 2 + length;
    }
  } else {
    testing::TcpConversation tcp(testing::At("192.0.2.1:1000"), testing::At("192.0.2.2:80"));
    tcp.Open();
    tcp.Client(kBeginnings[choice].client);
    tcp.Server(kBeginnings[choice].server);
    while (size >= 2) {
      const bool by_client = (data[0] & 1) == 0;
      if ((data[0] & 0x70) == 0x70) tcp.Lose(by_client, data[0] & 0x0e);
      const size_t length = std::min<size_t>(data[1], size - 2);
      const std::string_view content(reinterpret_cast<const char*>(data) + 2, length);
      by_client ? tcp.Client(content) : tcp.Server(content);
      data += 2 + length;
      size -= 2 + length;
    }
    for (const auto& packet : tcp.packets()) decoder.OnPacket(packet.view());
    bytes = tcp.payload_bytes();
  }
  decoder.Flush();
  if (!sink.all_ended() || coverage.seen_bytes() != bytes) std::abort();
}

}  // namespace
}  // namespace skimwatch::traffic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skimwatch::traffic::Run(data, size);
  return 0;
}
