#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PACKET_DECODE_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PACKET_DECODE_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/traffic/ip_address.h"
#include "agent/traffic/packet.h"

namespace skimwatch::traffic {

// A TCP segment in a packet; valid as long as the packet.
struct TcpSegment {
  Endpoint source;
  Endpoint destination;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  bool syn = false;
  bool ack = false;
  bool fin = false;
  bool rst = false;
  // The captured part of the payload.
  std::string_view payload;
  // Bytes of the payload on the wire, at least payload.size().
  uint32_t payload_wire_bytes = 0;
};

// A UDP datagram in a packet; valid as long as the packet.
struct UdpDatagram {
  Endpoint source;
  Endpoint destination;
  // The captured part of the payload.
  std::string_view payload;
  // Bytes of the payload on the wire, at least payload.size().
  uint32_t payload_wire_bytes = 0;
};

// What a packet carries.
enum class Transport : uint8_t { kNone, kTcp, kUdp };

// Finds the TCP segment or UDP datagram in a packet, and sets that one: Ethernet with 802.1Q and
// 802.1ad tags, Linux cooked capture, loopback and raw IP; IPv4 with options, IPv6 with extension
// headers (RFC 8200). Checksums are not looked at, for offloading leaves them unset in captures of
// one's own host. Nothing for fragments, other protocols, and headers that are malformed or were
// cut by the capture.
Transport DecodePacket(const PacketView& packet, TcpSegment& segment, UdpDatagram& datagram);

// The same for TCP alone.
std::optional<TcpSegment> DecodePacket(const PacketView& packet);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PACKET_DECODE_H_
