#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_PACKET_BUILDER_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_PACKET_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/traffic/ip_address.h"
#include "agent/traffic/packet.h"

namespace skimwatch::traffic::testing {

// TCP flags.
inline constexpr uint8_t kFin = 0x01;
inline constexpr uint8_t kSyn = 0x02;
inline constexpr uint8_t kRst = 0x04;
inline constexpr uint8_t kAck = 0x10;

// `192.0.2.1:80`, `[2001:db8::1]:80`. Ends the process on anything else.
Endpoint At(std::string_view text);

// A packet that a test keeps.
struct Packet {
  LinkType link = LinkType::kEthernet;
  std::string bytes;
  // More than bytes.size() where the capture cut it; 0 where it did not.
  uint32_t wire_bytes = 0;
  absl::Time time;

  PacketView view() const;
};

struct Segment {
  Endpoint from;
  Endpoint to;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = kAck;
  std::string payload;
  // Options, a multiple of 4 bytes.
  std::string options;
};

// The bytes of each layer; checksums are zero, as offloading leaves them.
std::string TcpBytes(const Segment& segment);
// IPv4 or IPv6, by the addresses; `options` are IPv4 options, or IPv6 extension headers, of which
// the first is `next_header`.
std::string IpBytes(const Segment& segment, std::string_view options = {}, uint8_t next_header = 6);
std::string EthernetBytes(const Segment& segment);
std::string BigEndian16(uint32_t value);
std::string BigEndian32(uint32_t value);

// An Ethernet packet.
Packet MakePacket(const Segment& segment, absl::Time time);

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_PACKET_BUILDER_H_
