#include "agent/traffic/ip_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace skimwatch::traffic {
namespace {

constexpr size_t kV4Offset = 12;
constexpr std::array<uint8_t, kV4Offset> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

IpAddress IpAddress::V4(const uint8_t* bytes) {
  IpAddress ip;
  std::memcpy(ip.bytes_.data(), kMappedPrefix.data(), kV4Offset);
  std::memcpy(ip.bytes_.data() + kV4Offset, bytes, 4);
  return ip;
}

IpAddress IpAddress::V6(const uint8_t* bytes) {
  IpAddress ip;
  std::memcpy(ip.bytes_.data(), bytes, 16);
  return ip;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  // inet_pton would take a NUL for the end.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  // The longest text form has 45 characters.
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof(buffer)) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  uint8_t bytes[16];
  if (inet_pton(AF_INET, buffer, bytes) == 1) return V4(bytes);
  if (inet_pton(AF_INET6, buffer, bytes) == 1) return V6(bytes);
  return std::nullopt;
}

bool IpAddress::is_v4() const {
  return std::memcmp(bytes_.data(), kMappedPrefix.data(), kV4Offset) == 0;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[kV4Offset] == 127;
  for (size_t i = 0; i < 15; ++i) {
    if (bytes_[i] != 0) return false;
  }
  return bytes_[15] == 1;
}

std::string IpAddress::ToString() const {
  char buffer[INET6_ADDRSTRLEN];
  const char* text = is_v4() ? inet_ntop(AF_INET, bytes_.data() + kV4Offset, buffer, sizeof(buffer))
                             : inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof(buffer));
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace skimwatch::traffic
