#include "agent/traffic/protocol/http_request.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/message.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kHostBytesMax = 255;
constexpr size_t kPathBytesMax = 2048;
constexpr size_t kMediaTypeBytesMax = 128;
constexpr size_t kSchemeBytesMax = 16;

// Of `user@host:port`.
std::string_view HostOfAuthority(std::string_view authority) {
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

// Where `scheme://` ends, or 0.
size_t SchemeBytes(std::string_view url) {
  const size_t colon = url.substr(0, kSchemeBytesMax + 3).find("://");
  if (colon == std::string_view::npos || colon == 0) return 0;
  const std::string_view scheme = url.substr(0, colon);
  const bool valid = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '-' || c == '+' || c == '.';
  });
  return valid ? colon + 3 : 0;
}

std::string LowerCase(std::string_view text, size_t bytes_max) {
  std::string lower(text.substr(0, bytes_max));
  absl::AsciiStrToLower(&lower);
  return lower;
}

}  // namespace

void Wipe(HttpRequest& request) {
  for (std::string* text : {&request.method, &request.host, &request.path, &request.referrer}) {
    memory::Wipe(*text);
  }
}

std::string HostName(std::string_view host) {
  host = HostOfAuthority(host);
  if (host.ends_with('.')) host.remove_suffix(1);
  return LowerCase(CutName(host, kHostBytesMax), kHostBytesMax);
}

std::string PathOfTarget(std::string_view target) {
  if (const size_t scheme = SchemeBytes(target); scheme > 0 && !target.starts_with('/')) {
    target.remove_prefix(std::min(target.find_first_of("/?#", scheme), target.size()));
  }
  return std::string(target.substr(0, target.find_first_of("?#")).substr(0, kPathBytesMax));
}

std::string OriginOf(std::string_view url) {
  const size_t scheme = SchemeBytes(url);
  if (scheme == 0) return std::string();
  const std::string_view authority = url.substr(scheme, url.find_first_of("/?#", scheme) - scheme);
  const std::string host = HostName(authority);
  if (host.empty()) return std::string();
  return LowerCase(url.substr(0, scheme), scheme) + host;
}

std::string MediaType(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find_first_of("; \t,"));
  return LowerCase(content_type, kMediaTypeBytesMax);
}

}  // namespace skimwatch::traffic
