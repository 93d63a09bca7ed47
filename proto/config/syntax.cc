#include "proto/config/syntax.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace skimwatch::config {
namespace {

constexpr size_t kSiteNameBytesMax = 63;
constexpr size_t kHostBytesMax = 253;
constexpr size_t kLabelBytesMax = 63;
constexpr size_t kIdentityBytesMax = 1024;
constexpr size_t kJournalFieldBytesMax = 64;
constexpr std::string_view kUnixScheme = "unix:";

bool IsAllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return absl::ascii_isdigit(c); });
}

// 4 or 6 for an IP address, else 0. `bytes` is the address in network order.
int IpVersion(std::string_view text, std::array<unsigned char, 16>& bytes) {
  const std::string address(text);
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return 4;
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return 6;
  return 0;
}

bool IsHostName(std::string_view text) {
  if (text.empty() || text.size() > kHostBytesMax) return false;
  size_t label = 0;
  char before = '.';
  bool letter = false;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0 || before == '-') return false;
      label = 0;
      letter = false;
    } else {
      // `_` is not a host name's, but container networks have it.
      if (!absl::ascii_isalnum(c) && c != '_' && (c != '-' || label == 0)) return false;
      letter = letter || !absl::ascii_isdigit(c);
      if (++label > kLabelBytesMax) return false;
    }
    before = c;
  }
  // Digits alone at the end make an address, and this is none that is valid.
  return label > 0 && before != '-' && letter;
}

}  // namespace

bool IsSiteName(std::string_view text) {
  return !text.empty() && text.size() <= kSiteNameBytesMax &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' ||
                  c == '.';
         });
}

bool IsIpAddress(std::string_view text) {
  std::array<unsigned char, 16> bytes;
  return IpVersion(text, bytes) != 0;
}

bool IsIpPrefix(std::string_view text) {
  const size_t slash = text.find('/');
  std::array<unsigned char, 16> bytes;
  const int version = IpVersion(text.substr(0, slash), bytes);
  if (version == 0 || slash == std::string_view::npos) return version != 0;
  const std::string length(text.substr(slash + 1));
  uint32_t bits = 0;
  return length.size() <= 3 && IsAllDigits(length) && absl::SimpleAtoi(length, &bits) &&
         bits <= (version == 4 ? 32 : 128);
}

bool IsHost(std::string_view text) { return IsHostName(text) || IsIpAddress(text); }

bool IsHostPattern(std::string_view text) {
  return text.substr(0, 2) == "*." ? IsHostName(text.substr(2)) : IsHost(text);
}

std::optional<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string port(text.substr(colon + 1));
  uint32_t number = 0;
  if (port.size() > 5 || !IsAllDigits(port) || !absl::SimpleAtoi(port, &number) || number > 65535) {
    return std::nullopt;
  }
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos || !IsIpAddress(host)) return std::nullopt;
  } else if (!host.empty() && (host.find(':') != std::string_view::npos || !IsHost(host))) {
    return std::nullopt;
  }
  return HostPort{std::string(host), static_cast<uint16_t>(number)};
}

bool IsUnixAddress(std::string_view text) {
  if (text.substr(0, kUnixScheme.size()) != kUnixScheme) return false;
  const std::string_view path = text.substr(kUnixScheme.size());
  return path.size() > 1 && path[0] == '/' && path.size() < sizeof(sockaddr_un::sun_path);
}

bool IsLocalAddress(std::string_view text) {
  if (IsUnixAddress(text)) return true;
  const std::optional<HostPort> address = ParseHostPort(text);
  if (!address) return false;
  if (address->host == "localhost") return true;
  std::array<unsigned char, 16> bytes{};
  const int version = IpVersion(address->host, bytes);
  if (version == 4) return bytes[0] == 127;
  return version == 6 && IN6_IS_ADDR_LOOPBACK(reinterpret_cast<const in6_addr*>(bytes.data()));
}

bool IsIdentityPattern(std::string_view text) {
  const size_t star = text.find('*');
  return !text.empty() && text.size() <= kIdentityBytesMax &&
         (star == std::string_view::npos || star == text.size() - 1) &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isprint(c); });
}

bool IsJournalMatch(std::string_view text) {
  const std::string_view name = text.substr(0, text.find('='));
  return name.size() < text.size() && !name.empty() && name.size() <= kJournalFieldBytesMax &&
         !absl::ascii_isdigit(static_cast<unsigned char>(name[0])) &&
         text.find('\0') == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

}  // namespace skimwatch::config
