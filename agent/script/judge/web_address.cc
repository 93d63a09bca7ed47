#include "agent/script/judge/web_address.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/html_scanner.h"

namespace skimwatch::script {
namespace {

struct SpecialScheme {
  std::string_view name;
  std::string_view default_port;
};
constexpr SpecialScheme kSpecialSchemes[] = {
    {"http", "80"}, {"https", "443"}, {"ws", "80"}, {"wss", "443"}, {"ftp", "21"}};

const SpecialScheme* FindSpecial(std::string_view scheme) {
  const auto* found =
      std::find_if(std::begin(kSpecialSchemes), std::end(kSpecialSchemes),
                   [&](const SpecialScheme& known) { return known.name == scheme; });
  return found == std::end(kSpecialSchemes) ? nullptr : found;
}

std::string WithoutIgnoredBytes(std::string_view raw) {
  while (!raw.empty() && static_cast<unsigned char>(raw.front()) <= ' ') raw.remove_prefix(1);
  while (!raw.empty() && static_cast<unsigned char>(raw.back()) <= ' ') raw.remove_suffix(1);
  std::string text;
  text.reserve(raw.size());
  for (const char c : raw) {
    if (c != '\t' && c != '\n' && c != '\r') text.push_back(c);
  }
  return text;
}

// Bytes before the colon that ends a scheme; 0 when the address begins with none.
size_t SchemeBytes(std::string_view text) {
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return 0;
  for (size_t at = 1; at < text.size(); ++at) {
    const char c = text[at];
    if (c == ':') return at;
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '-' && c != '.') {
      return 0;
    }
  }
  return 0;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string NormalHost(std::string_view text) {
  std::string host;
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '%' && at + 2 < text.size() && HexValue(text[at + 1]) >= 0 &&
        HexValue(text[at + 2]) >= 0) {
      c = static_cast<char>(HexValue(text[at + 1]) * 16 + HexValue(text[at + 2]));
      at += 2;
    }
    host.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  return host;
}

bool IsDot(std::string_view segment) {
  return segment == "." || EqualsIgnoringCase(segment, "%2e");
}

bool IsDoubleDot(std::string_view segment) {
  return segment == ".." || EqualsIgnoringCase(segment, ".%2e") ||
         EqualsIgnoringCase(segment, "%2e.") || EqualsIgnoringCase(segment, "%2e%2e");
}

// Takes `.` and `..` out of a path that begins with a slash.
std::string WithoutDotSegments(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (IsDoubleDot(segment) && !segments.empty()) segments.pop_back();
    if (!IsDot(segment) && !IsDoubleDot(segment)) {
      segments.push_back(segment);
    } else if (path.empty()) {
      segments.emplace_back();
    }
  }
  std::string normal;
  for (const std::string_view segment : segments) {
    normal.push_back('/');
    normal.append(segment);
  }
  return normal.empty() ? "/" : normal;
}

}  // namespace

WebAddress ParseWebAddress(std::string_view raw) {
  WebAddress address;
  const std::string text = WithoutIgnoredBytes(raw);
  const size_t scheme_bytes = SchemeBytes(text);
  const std::string scheme = absl::AsciiStrToLower(text.substr(0, scheme_bytes));
  const SpecialScheme* special = FindSpecial(scheme);
  std::string_view rest(text);
  if (scheme_bytes > 0 && special == nullptr) {
    address.kind = WebAddress::Kind::kOpaque;
    address.base = absl::StrCat(scheme, text.substr(scheme_bytes));
    return address;
  }
  if (scheme_bytes > 0) rest.remove_prefix(scheme_bytes + 1);
  rest = rest.substr(0, rest.find('#'));
  const size_t query = std::min(rest.find('?'), rest.size());
  address.query = rest.substr(query);
  std::string path(rest.substr(0, query));
  std::replace(path.begin(), path.end(), '\\', '/');
  const size_t slashes = std::min(path.find_first_not_of('/'), path.size());
  if (special == nullptr && slashes < 2) {
    address.base = path.starts_with('/') ? WithoutDotSegments(path) : std::move(path);
    return address;
  }

  address.kind = WebAddress::Kind::kHost;
  const std::string_view after = std::string_view(path).substr(slashes);
  const size_t authority_bytes = std::min(after.find('/'), after.size());
  std::string_view authority = after.substr(0, authority_bytes);
  if (const size_t user = authority.rfind('@'); user != std::string_view::npos) {
    authority.remove_prefix(user + 1);
  }
  // A colon inside of brackets is part of an IPv6 address.
  const size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  const std::string_view port = has_port ? authority.substr(colon + 1) : std::string_view();
  address.host = NormalHost(has_port ? authority.substr(0, colon) : authority);
  if (special != nullptr) absl::StrAppend(&address.base, scheme, ":");
  absl::StrAppend(&address.base, "//", address.host);
  if (!port.empty() && (special == nullptr || port != special->default_port)) {
    absl::StrAppend(&address.base, ":", std::string(port));
  }
  const std::string_view below = after.substr(authority_bytes);
  address.base.append(below.empty() ? "/" : WithoutDotSegments(below));
  return address;
}

}  // namespace skimwatch::script
