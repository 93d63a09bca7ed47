// Packets of any kind through the whole decoder: never a crash, a hang or memory beyond the limits,
// every part is ended, and every byte is counted.
//
// Input: packets, each a byte of link type and flags, a byte of time, two of length, and that many
// bytes. To get past the headers at once, most are the payload of a segment between few endpoints,
// near where the stream stands.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "agent/traffic/coverage.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "tests/agent/traffic/support/packet_builder.h"
#include "tests/fuzz/checking_sink.h"

namespace skimwatch::traffic {
namespace {

void Run(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const SiteMap> kSites = SiteMap::Create({}, nullptr).value();
  TrafficDecoderOptions options;
  options.default_site = "s";
  options.scan_inbound = true;
  options.flows_max = 3;
  options.flow_reassembly_bytes_max = 16 << 10;
  options.reassembly_bytes_max = 24 << 10;
  options.body_bytes_max = 1 << 20;
  options.flow_idle = absl::Seconds(20);
  Coverage coverage;
  testing::CheckingSink sink;
  uint64_t undecodable = 0;
  uint64_t payload = 0;
  {
    TrafficDecoder decoder(options, kSites, coverage, sink);
    absl::Time time = absl::FromUnixSeconds(1'700'000'000);
    // By flow and direction.
    uint32_t next[4][2] = {};
    while (size >= 4) {
      const uint8_t control = data[0];
      time += absl::Milliseconds(data[1] * (control & 1 ? 100 : 1));
      const size_t bytes =
          std::min<size_t>(static_cast<size_t>(data[2] & 0x0f) << 8 | data[3], size - 4);
      const std::string content(reinterpret_cast<const char*>(data) + 4, bytes);
      const uint8_t more = data[2] >> 4;
      data += 4 + bytes;
      size -= 4 + bytes;
      testing::Packet packet;
      packet.time = time;
      if ((control & 0xc0) == 0xc0) {
        packet.link = static_cast<LinkType>((control >> 1) % 6);
        packet.bytes = content;
      } else {
        const uint32_t flow = control >> 1 & 3;
        const bool by_client = (control & 8) == 0;
        testing::Segment segment{.from = testing::At("192.0.2.1:" + std::to_string(1000 + flow)),
                                 .to = testing::At("192.0.2.2:80")};
        if (!by_client) std::swap(segment.from, segment.to);
        uint32_t& sequence = next[flow][by_client ? 0 : 1];
        segment.sequence = sequence;
        segment.acknowledgment = next[flow][by_client ? 1 : 0];
        segment.payload = content;
        switch (control >> 4) {
          case 1:
            segment.flags = testing::kSyn;
            segment.payload.clear();
            ++sequence;
            break;
          case 2:
            segment.flags |= testing::kFin;
            break;
          case 3:
            segment.flags |= testing::kRst;
            break;
          case 4:
            segment.sequence += more * 97;
            break;
          case 5:
            segment.sequence -= more * 31;
            break;
          case 6:
            segment.sequence += uint32_t{more} << 28;
            break;
          default:
            break;
        }
        if (control >> 4 == 0 || control >> 4 == 2) {
          sequence += static_cast<uint32_t>(content.size());
        }
        packet = testing::MakePacket(segment, time);
        payload += segment.payload.size();
        if (control >> 4 == 7) {
          packet.wire_bytes = static_cast<uint32_t>(packet.bytes.size());
          packet.bytes.resize(packet.bytes.size() -
                              std::min<size_t>(packet.bytes.size(), more * 8));
        }
      }
      if ((control & 0xc0) == 0xc0) undecodable += packet.bytes.size();
      decoder.OnPacket(packet.view());
      if (decoder.stats().flows_active > options.flows_max ||
          decoder.stats().reassembly_bytes > options.reassembly_bytes_max) {
        std::abort();
      }
    }
    decoder.Flush();
    if (!sink.all_ended()) std::abort();
  }
  // Retransmissions are not counted again, and headers may be cut off: an upper bound.
  if (coverage.seen_bytes() > payload + undecodable + 54 * 4096 * 4) std::abort();
}

}  // namespace
}  // namespace skimwatch::traffic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skimwatch::traffic::Run(data, size);
  return 0;
}
