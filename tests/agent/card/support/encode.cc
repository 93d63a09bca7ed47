#include "tests/agent/card/support/encode.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

namespace skimwatch::testing {
namespace {

template <typename Format>
std::string EachByte(std::string_view text, const Format& format) {
  std::string encoded;
  for (const char c : text) absl::StrAppendFormat(&encoded, format, static_cast<uint8_t>(c));
  return encoded;
}

}  // namespace

std::string PercentAll(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'X'>("%%%02X"));
}
std::string JsonEscapeAll(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'x'>("\\u%04x"));
}
std::string HexEscapeAll(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'x'>("\\x%02x"));
}
std::string OctalEscapeAll(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'o'>("\\%03o"));
}
std::string EntityAll(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'d'>("&#%d;"));
}
std::string HexLower(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'x'>("%02x"));
}
std::string HexUpper(std::string_view text) {
  return EachByte(text, absl::ParsedFormat<'X'>("%02X"));
}

std::string Base64(std::string_view text) {
  return absl::Base64Escape(absl::string_view(text.data(), text.size()));
}
std::string Base64Unpadded(std::string_view text) {
  std::string encoded = Base64(text);
  encoded.erase(encoded.find_last_not_of('=') + 1);
  return encoded;
}
std::string Base64Url(std::string_view text) {
  return absl::WebSafeBase64Escape(absl::string_view(text.data(), text.size()));
}
std::string Base64Wrapped(std::string_view text, size_t width, std::string_view line_break) {
  const std::string encoded = Base64(text);
  std::string wrapped;
  for (size_t at = 0; at < encoded.size(); at += width) {
    if (at > 0) wrapped += line_break;
    wrapped += encoded.substr(at, width);
  }
  return wrapped;
}

std::string Utf16Le(std::string_view ascii) {
  std::string wide;
  for (const char c : ascii) wide.append({c, '\0'});
  return wide;
}
std::string Utf16Be(std::string_view ascii) {
  std::string wide;
  for (const char c : ascii) wide.append({'\0', c});
  return wide;
}
std::string FullWidth(std::string_view ascii) {
  std::string wide;
  for (const char c : ascii) {
    if (c >= '0' && c <= '9') {
      wide += "\xEF\xBC";
      wide += static_cast<char>(0x90 + c - '0');
    } else {
      wide += c;
    }
  }
  return wide;
}

const std::vector<NamedEncoding>& EveryEncoding() {
  using card::Encoding;
  static const auto& encodings = *new std::vector<NamedEncoding>{
      {"percent", Encoding::kPercent, PercentAll},
      {"json_u", Encoding::kJsonEscape, JsonEscapeAll},
      {"json_x", Encoding::kJsonEscape, HexEscapeAll},
      {"entity", Encoding::kHtmlEntity, EntityAll},
      {"hex_lower", Encoding::kHex, HexLower},
      {"hex_upper", Encoding::kHex, HexUpper},
      {"base64", Encoding::kBase64, Base64},
      {"base64_unpadded", Encoding::kBase64, Base64Unpadded},
      {"base64url", Encoding::kBase64, Base64Url},
      {"octal", Encoding::kJsonEscape, OctalEscapeAll},
  };
  return encodings;
}

}  // namespace skimwatch::testing
