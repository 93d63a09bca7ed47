#include "tests/agent/traffic/support/packet_builder.h"

#include <cstdlib>
#include <optional>

namespace skimwatch::traffic::testing {
namespace {

std::string AddressBytes(const IpAddress& ip) {
  const auto* bytes = reinterpret_cast<const char*>(ip.bytes().data());
  return ip.is_v4() ? std::string(bytes + 12, 4) : std::string(bytes, 16);
}

}  // namespace

std::string BigEndian16(uint32_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string BigEndian32(uint32_t value) { return BigEndian16(value >> 16) + BigEndian16(value); }

Endpoint At(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
  const std::optional<IpAddress> ip = IpAddress::Parse(address);
  if (!ip.has_value()) std::abort();
  return {*ip, static_cast<uint16_t>(std::atoi(std::string(text.substr(colon + 1)).c_str()))};
}

PacketView Packet::view() const {
  return {.link = link,
          .bytes = bytes,
          .wire_bytes = wire_bytes == 0 ? static_cast<uint32_t>(bytes.size()) : wire_bytes,
          .time = time};
}

std::string TcpBytes(const Segment& segment) {
  std::string tcp = BigEndian16(segment.from.port) + BigEndian16(segment.to.port) +
                    BigEndian32(segment.sequence) + BigEndian32(segment.acknowledgment);
  tcp.push_back(static_cast<char>((20 + segment.options.size()) / 4 << 4));
  tcp.push_back(static_cast<char>(segment.flags));
  tcp += BigEndian16(65535) + BigEndian32(0);
  return tcp + segment.options + segment.payload;
}

std::string IpBytes(const Segment& segment, std::string_view options, uint8_t next_header) {
  const std::string tcp = TcpBytes(segment);
  std::string ip;
  if (segment.from.ip.is_v4()) {
    ip.push_back(static_cast<char>(0x40 | (20 + options.size()) / 4));
    ip.push_back('\0');
    ip += BigEndian16(static_cast<uint32_t>(20 + options.size() + tcp.size()));
    ip += BigEndian32(0x00004000);
    ip += BigEndian32(0x40060000);
  } else {
    ip = BigEndian32(0x60000000) + BigEndian16(static_cast<uint32_t>(options.size() + tcp.size()));
    ip.push_back(static_cast<char>(next_header));
    ip.push_back(64);
  }
  ip += AddressBytes(segment.from.ip) + AddressBytes(segment.to.ip);
  ip += options;
  return ip + tcp;
}

std::string EthernetBytes(const Segment& segment) {
  return std::string(12, '\2') + BigEndian16(segment.from.ip.is_v4() ? 0x0800 : 0x86dd) +
         IpBytes(segment);
}

Packet MakePacket(const Segment& segment, absl::Time time) {
  return {.bytes = EthernetBytes(segment), .time = time};
}

}  // namespace skimwatch::traffic::testing
