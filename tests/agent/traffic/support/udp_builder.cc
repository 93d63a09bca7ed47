#include "tests/agent/traffic/support/udp_builder.h"

namespace skimwatch::traffic::testing {

Packet UdpPacket(const Endpoint& from, const Endpoint& to, std::string_view payload,
                 absl::Time time) {
  const auto udp_bytes = static_cast<uint32_t>(8 + payload.size());
  const std::string udp = BigEndian16(from.port) + BigEndian16(to.port) + BigEndian16(udp_bytes) +
                          BigEndian16(0) + std::string(payload);
  std::string packet = std::string(12, '\2');
  const auto address = [](const IpAddress& ip) {
    const auto* bytes = reinterpret_cast<const char*>(ip.bytes().data());
    return ip.is_v4() ? std::string(bytes + 12, 4) : std::string(bytes, 16);
  };
  if (from.ip.is_v4()) {
    packet += BigEndian16(0x0800) + std::string("\x45\0", 2) + BigEndian16(20 + udp_bytes) +
              BigEndian32(0x00004000) + BigEndian32(0x40110000);
  } else {
    packet += BigEndian16(0x86dd) + BigEndian32(0x60000000) + BigEndian16(udp_bytes) + "\x11\x40";
  }
  packet += address(from.ip) + address(to.ip) + udp;
  return {.bytes = packet, .time = time};
}

std::string DnsNameBytes(const std::vector<std::string>& labels) {
  std::string bytes;
  for (const std::string& label : labels) bytes += static_cast<char>(label.size()) + label;
  return bytes + '\0';
}

std::string DnsNameBytes(std::string_view name) {
  std::vector<std::string> labels(1);
  for (const char c : name) {
    if (c == '.') {
      labels.emplace_back();
    } else {
      labels.back() += c;
    }
  }
  return DnsNameBytes(labels);
}

std::string DnsQueryBytes(std::string_view name_bytes, uint16_t type) {
  // Recursion desired, one question, and EDNS with a buffer of 1232 bytes.
  return std::string("\x12\x34\1\0\0\1\0\0\0\0\0\1", 12) + std::string(name_bytes) +
         BigEndian16(type) + BigEndian16(1) + std::string("\0\0\x29\4\xd0\0\0\0\0\0\0", 11);
}

std::string DnsResponseBytes(std::string_view name_bytes, uint16_t type,
                             const std::vector<std::string>& records) {
  std::string bytes = std::string("\x12\x34\x81\x80\0\1", 6) +
                      BigEndian16(static_cast<uint32_t>(records.size())) + BigEndian32(0) +
                      std::string(name_bytes) + BigEndian16(type) + BigEndian16(1);
  for (const std::string& record : records) bytes += record;
  return bytes;
}

std::string DnsRecordBytes(std::string_view owner_bytes, uint16_t type, std::string_view data) {
  return std::string(owner_bytes) + BigEndian16(type) + BigEndian16(1) + BigEndian32(60) +
         BigEndian16(static_cast<uint32_t>(data.size())) + std::string(data);
}

}  // namespace skimwatch::traffic::testing
