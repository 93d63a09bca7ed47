#include "agent/traffic/destination/destination_name.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/ascii.h"
#include "agent/card/mask.h"
#include "agent/traffic/ip_address.h"

namespace skimwatch::traffic {
namespace {

using Change = v1::DestinationChange;

// RFC 1035, 2.3.4, written with dots.
constexpr size_t kNameBytesMax = 253;

bool MayBeName(std::string_view host) {
  return !host.empty() && host.size() <= kNameBytesMax && host.front() != '.' &&
         host.find("..") == std::string_view::npos &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

Change::Scope ScopeOf(const IpAddress& ip) {
  const std::array<uint8_t, 16>& bytes = ip.bytes();
  if (ip.is_loopback()) return Change::SCOPE_LOOPBACK;
  if (ip.is_v4()) {
    const uint8_t a = bytes[12];
    const uint8_t b = bytes[13];
    const bool is_private = a == 10 || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168) ||
                            (a == 100 && (b & 0xc0) == 64) || (a == 169 && b == 254);
    return is_private ? Change::SCOPE_PRIVATE : Change::SCOPE_PUBLIC;
  }
  const bool is_private =
      (bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
  return is_private ? Change::SCOPE_PRIVATE : Change::SCOPE_PUBLIC;
}

}  // namespace

Change::Scope ScopeOfAddress(std::string_view address) {
  const std::optional<IpAddress> ip = IpAddress::Parse(address);
  return ip.has_value() ? ScopeOf(*ip) : Change::SCOPE_PUBLIC;
}

DestinationName NameDestination(const RegisteredDomains& domains, std::string_view host,
                                std::string_view address) {
  DestinationName named;
  if (!host.empty() && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const std::optional<IpAddress> literal = IpAddress::Parse(host);
  if (!literal.has_value() && MayBeName(host)) {
    named.name = card::RedactCardNumbers(domains.Of(host));
    named.host = card::RedactCardNumbers(host);
    if (named.name == "localhost") {
      named.scope = Change::SCOPE_LOOPBACK;
    } else if (!domains.IsPublic(host)) {
      named.scope = ScopeOfAddress(address);
    }
    return named;
  }
  const std::optional<IpAddress> ip = literal.has_value() ? literal : IpAddress::Parse(address);
  if (!ip.has_value()) {
    named.name = "unknown";
    return named;
  }
  named.name = ip->ToString();
  named.scope = ScopeOf(*ip);
  return named;
}

}  // namespace skimwatch::traffic
