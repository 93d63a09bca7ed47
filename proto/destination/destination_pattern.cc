#include "proto/destination/destination_pattern.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::destination {
namespace {

using Bytes = std::array<uint8_t, 16>;

// RFC 1035, 2.3.4, written with dots.
constexpr size_t kNameBytesMax = 253;
constexpr int kV4PrefixBits = 96;

std::optional<Bytes> ParseAddress(const std::string& text) {
  Bytes bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  if (inet_pton(AF_INET, text.c_str(), bytes.data() + 12) != 1) return std::nullopt;
  bytes[10] = bytes[11] = 0xff;
  return bytes;
}

bool SameBits(const Bytes& a, const Bytes& b, int bits) {
  for (int i = 0; i < bits; i += 8) {
    const int left = bits - i;
    const auto mask = static_cast<uint8_t>(left >= 8 ? 0xff : 0xff << (8 - left));
    if (((a[i / 8] ^ b[i / 8]) & mask) != 0) return false;
  }
  return true;
}

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '.' || name.back() == '.') {
    return false;
  }
  return name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("pattern: `", std::string(text), "` ", std::string(why)));
}

}  // namespace

absl::StatusOr<DestinationPattern> DestinationPattern::Parse(std::string_view text) {
  DestinationPattern pattern;
  pattern.text_ = absl::AsciiStrToLower(
      absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
  const std::string& given = pattern.text_;
  const size_t slash = given.find('/');
  if (const std::optional<Bytes> address = ParseAddress(given.substr(0, slash))) {
    pattern.kind_ = Kind::kAddresses;
    pattern.address_ = *address;
    if (slash == std::string::npos) return pattern;
    const bool is_v4 = given.find(':') == std::string::npos;
    int bits = 0;
    if (!absl::SimpleAtoi(given.substr(slash + 1), &bits) || bits < 0 ||
        bits > (is_v4 ? 32 : 128)) {
      return Bad(given, "has no prefix length behind `/`");
    }
    if (bits == 0) return Bad(given, "covers every address");
    pattern.bits_ = bits + (is_v4 ? kV4PrefixBits : 0);
    return pattern;
  }
  if (given.rfind("*.", 0) == 0) {
    pattern.kind_ = Kind::kNamesBelow;
    if (!IsName(std::string_view(given).substr(2))) return Bad(given, "has no name behind `*.`");
    if (given.find('.', 2) == std::string::npos) {
      return Bad(given, "covers a whole top-level domain");
    }
    return pattern;
  }
  if (!IsName(given)) {
    return Bad(
        given,
        "is neither a name, `*.` and a name, an address, nor an address with a prefix length");
  }
  return pattern;
}

bool DestinationPattern::Matches(std::string_view name) const {
  switch (kind_) {
    case Kind::kName:
      return name == text_;
    case Kind::kNamesBelow: {
      const std::string_view suffix = std::string_view(text_).substr(1);
      return name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
    }
    case Kind::kAddresses: {
      const std::optional<Bytes> address = ParseAddress(std::string(name));
      return address.has_value() && SameBits(*address, address_, bits_);
    }
  }
  return false;
}

}  // namespace skimwatch::destination
