// Two byte streams as a client and a server might send them, cut in any way: never a crash, a hang,
// or a part that stays open, and every byte is counted as scanned, truncated or undecodable, once.
//
// Input: pieces, each a byte that says who sends and how much is lost before, a byte of length, and
// that many bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "agent/traffic/coverage.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "tests/agent/traffic/support/tcp_conversation.h"
#include "tests/fuzz/checking_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skimwatch::traffic::testing::At;
  namespace traffic = skimwatch::traffic;
  static const std::shared_ptr<const traffic::SiteMap> kSites =
      traffic::SiteMap::Create({}, nullptr).value();
  traffic::TrafficDecoderOptions options;
  options.default_site = "s";
  options.scan_inbound = true;
  options.body_bytes_max = 1 << 20;
  traffic::testing::TcpConversation tcp(At("192.0.2.1:1000"), At("192.0.2.2:80"));
  if (size > 0 && (data[0] & 0x80) == 0) tcp.Open();
  while (size >= 2) {
    const bool by_client = (data[0] & 1) == 0;
    if ((data[0] & 0x70) == 0x70) tcp.Lose(by_client, data[0] & 0x0e);
    const size_t bytes = std::min<size_t>(data[1], size - 2);
    const std::string_view content(reinterpret_cast<const char*>(data) + 2, bytes);
    by_client ? tcp.Client(content) : tcp.Server(content);
    data += 2 + bytes;
    size -= 2 + bytes;
  }
  traffic::Coverage coverage;
  traffic::testing::CheckingSink sink;
  traffic::TrafficDecoder decoder(options, kSites, coverage, sink);
  for (const auto& packet : tcp.packets()) decoder.OnPacket(packet.view());
  decoder.Flush();
  if (!sink.all_ended() || coverage.seen_bytes() != tcp.payload_bytes()) std::abort();
  return 0;
}
