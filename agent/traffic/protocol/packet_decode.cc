#include "agent/traffic/protocol/packet_decode.h"

#include <algorithm>
#include <cstddef>

namespace skimwatch::traffic {
namespace {

constexpr uint16_t kEtherTypeIpv4 = 0x0800;
constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr int kVlanTagsMax = 4;
constexpr int kExtensionHeadersMax = 16;

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
// IPv6 extension headers, https://www.iana.org/assignments/ipv6-parameters.
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;
constexpr uint8_t kMobility = 135;
constexpr uint8_t kHostIdentity = 139;
constexpr uint8_t kShim6 = 140;

// The captured bytes that are left, with the number that were left on the wire.
struct Rest {
  const uint8_t* data = nullptr;
  size_t captured = 0;
  size_t wire = 0;

  bool Has(size_t n) const { return captured >= n; }
  void Skip(size_t n) {
    data += n;
    captured -= n;
    wire -= n;
  }
  // What follows `wire_bytes` is padding or a trailer.
  void CutTo(size_t wire_bytes) {
    wire = std::min(wire, wire_bytes);
    captured = std::min(captured, wire);
  }
  uint16_t U16(size_t at) const { return static_cast<uint16_t>(data[at] << 8 | data[at + 1]); }
  uint32_t U32(size_t at) const {
    return static_cast<uint32_t>(U16(at)) << 16 | static_cast<uint32_t>(U16(at + 2));
  }
};

// What is found on the way.
struct Found {
  TcpSegment& segment;
  UdpDatagram& datagram;
  Transport transport = Transport::kNone;
};

bool DecodeTcp(Rest rest, TcpSegment& segment) {
  if (!rest.Has(20)) return false;
  segment.source.port = rest.U16(0);
  segment.destination.port = rest.U16(2);
  segment.sequence = rest.U32(4);
  segment.acknowledgment = rest.U32(8);
  const size_t header_bytes = static_cast<size_t>(rest.data[12] >> 4) * 4;
  const uint8_t flags = rest.data[13];
  segment.fin = (flags & 0x01) != 0;
  segment.syn = (flags & 0x02) != 0;
  segment.rst = (flags & 0x04) != 0;
  segment.ack = (flags & 0x10) != 0;
  if (header_bytes < 20 || header_bytes > rest.wire) return false;
  // Options may be cut off; the payload's length is known all the same.
  const size_t captured = rest.captured - std::min(rest.captured, header_bytes);
  segment.payload_wire_bytes = static_cast<uint32_t>(rest.wire - header_bytes);
  if (captured > 0) {
    segment.payload = {reinterpret_cast<const char*>(rest.data + header_bytes), captured};
  }
  return true;
}

bool DecodeUdp(Rest rest, UdpDatagram& datagram) {
  constexpr size_t kHeaderBytes = 8;
  if (!rest.Has(kHeaderBytes)) return false;
  datagram.source.port = rest.U16(0);
  datagram.destination.port = rest.U16(2);
  const size_t length = rest.U16(4);
  // Zero where the sending card still has to cut the packet up, and in jumbograms.
  if (length != 0) {
    if (length < kHeaderBytes) return false;
    rest.CutTo(length);
  }
  rest.Skip(kHeaderBytes);
  datagram.payload_wire_bytes = static_cast<uint32_t>(rest.wire);
  datagram.payload = {reinterpret_cast<const char*>(rest.data), rest.captured};
  return true;
}

bool DecodeTransport(uint8_t protocol, const IpAddress& source, const IpAddress& destination,
                     Rest rest, Found& found) {
  switch (protocol) {
    case kProtocolTcp:
      found.transport = Transport::kTcp;
      found.segment.source.ip = source;
      found.segment.destination.ip = destination;
      return DecodeTcp(rest, found.segment);
    case kProtocolUdp:
      found.transport = Transport::kUdp;
      found.datagram.source.ip = source;
      found.datagram.destination.ip = destination;
      return DecodeUdp(rest, found.datagram);
    default:
      return false;
  }
}

bool DecodeIpv4(Rest rest, Found& found) {
  if (!rest.Has(20) || rest.data[0] >> 4 != 4) return false;
  const size_t header_bytes = static_cast<size_t>(rest.data[0] & 0x0f) * 4;
  if (header_bytes < 20 || !rest.Has(header_bytes)) return false;
  // Zero where the sending card still has to cut the packet up.
  const size_t total_bytes = rest.U16(2);
  if (total_bytes != 0) {
    if (total_bytes < header_bytes) return false;
    rest.CutTo(total_bytes);
  }
  constexpr uint16_t kMoreFragmentsAndOffset = 0x3fff;
  if ((rest.U16(6) & kMoreFragmentsAndOffset) != 0) return false;
  const uint8_t protocol = rest.data[9];
  const IpAddress source = IpAddress::V4(rest.data + 12);
  const IpAddress destination = IpAddress::V4(rest.data + 16);
  if (!rest.Has(header_bytes)) return false;
  rest.Skip(header_bytes);
  return DecodeTransport(protocol, source, destination, rest, found);
}

bool DecodeIpv6(Rest rest, Found& found) {
  constexpr size_t kHeaderBytes = 40;
  if (!rest.Has(kHeaderBytes) || rest.data[0] >> 4 != 6) return false;
  const size_t payload_bytes = rest.U16(4);
  uint8_t next = rest.data[6];
  const IpAddress source = IpAddress::V6(rest.data + 8);
  const IpAddress destination = IpAddress::V6(rest.data + 24);
  rest.Skip(kHeaderBytes);
  // Zero stands for a jumbogram, or for a packet that the card still has to cut up.
  if (payload_bytes != 0) rest.CutTo(payload_bytes);
  for (int i = 0; i < kExtensionHeadersMax; ++i) {
    if (next == kProtocolTcp || next == kProtocolUdp) {
      return DecodeTransport(next, source, destination, rest, found);
    }
    if (!rest.Has(8)) return false;
    size_t header_bytes = 8 + static_cast<size_t>(rest.data[1]) * 8;
    switch (next) {
      case kHopByHop:
      case kRouting:
      case kDestinationOptions:
      case kMobility:
      case kHostIdentity:
      case kShim6:
        break;
      case kAuthentication:
        header_bytes = (static_cast<size_t>(rest.data[1]) + 2) * 4;
        break;
      case kFragment:
        // An "atomic fragment" is the whole packet (RFC 6946).
        if ((rest.U16(2) & 0xfff9) != 0) return false;
        header_bytes = 8;
        break;
      default:
        return false;
    }
    if (!rest.Has(header_bytes)) return false;
    next = rest.data[0];
    rest.Skip(header_bytes);
  }
  return false;
}

bool DecodeIp(Rest rest, Found& found) {
  if (!rest.Has(1)) return false;
  return rest.data[0] >> 4 == 4 ? DecodeIpv4(rest, found) : DecodeIpv6(rest, found);
}

bool DecodeEtherType(uint16_t type, Rest rest, Found& found) {
  for (int tags = 0; tags < kVlanTagsMax; ++tags) {
    // 802.1Q, 802.1ad, and what was used before it.
    if (type != 0x8100 && type != 0x88a8 && type != 0x9100) break;
    if (!rest.Has(4)) return false;
    type = rest.U16(2);
    rest.Skip(4);
  }
  if (type == kEtherTypeIpv4) return DecodeIpv4(rest, found);
  if (type == kEtherTypeIpv6) return DecodeIpv6(rest, found);
  return false;
}

// AF_INET, and AF_INET6 as Linux, NetBSD, FreeBSD and Darwin have it.
bool IsIpFamily(uint32_t family) {
  return family == 2 || family == 10 || family == 24 || family == 28 || family == 30;
}

}  // namespace

Transport DecodePacket(const PacketView& packet, TcpSegment& segment, UdpDatagram& datagram) {
  Rest rest = {.data = reinterpret_cast<const uint8_t*>(packet.bytes.data()),
               .captured = packet.bytes.size(),
               .wire = std::max<size_t>(packet.wire_bytes, packet.bytes.size())};
  Found found{.segment = segment, .datagram = datagram};
  bool ok = false;
  switch (packet.link) {
    case LinkType::kEthernet: {
      constexpr size_t kHeaderBytes = 14;
      if (!rest.Has(kHeaderBytes)) break;
      const uint16_t type = rest.U16(12);
      rest.Skip(kHeaderBytes);
      ok = DecodeEtherType(type, rest, found);
      break;
    }
    case LinkType::kLinuxCooked: {
      constexpr size_t kHeaderBytes = 16;
      if (!rest.Has(kHeaderBytes)) break;
      const uint16_t type = rest.U16(14);
      rest.Skip(kHeaderBytes);
      ok = DecodeEtherType(type, rest, found);
      break;
    }
    case LinkType::kLinuxCooked2: {
      constexpr size_t kHeaderBytes = 20;
      if (!rest.Has(kHeaderBytes)) break;
      const uint16_t type = rest.U16(0);
      rest.Skip(kHeaderBytes);
      ok = DecodeEtherType(type, rest, found);
      break;
    }
    case LinkType::kNull:
    case LinkType::kLoop: {
      if (!rest.Has(4)) break;
      const uint32_t family = rest.U32(0);
      const bool swapped = packet.link == LinkType::kNull && IsIpFamily(__builtin_bswap32(family));
      if (!swapped && !IsIpFamily(family)) break;
      rest.Skip(4);
      ok = DecodeIp(rest, found);
      break;
    }
    case LinkType::kRawIp:
      ok = DecodeIp(rest, found);
      break;
  }
  return ok ? found.transport : Transport::kNone;
}

std::optional<TcpSegment> DecodePacket(const PacketView& packet) {
  TcpSegment segment;
  UdpDatagram datagram;
  if (DecodePacket(packet, segment, datagram) != Transport::kTcp) return std::nullopt;
  return segment;
}

}  // namespace skimwatch::traffic
