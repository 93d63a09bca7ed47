#include "proto/text/printable.h"

#include <cstddef>
#include <cstdint>

#include "proto/text/utf8.h"

namespace skimwatch::text {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

void AppendHex(uint32_t value, int digits, std::string& out) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out.push_back(kHexDigits[(value >> shift) & 0xf]);
  }
}

// The code point of a valid sequence of up to three bytes; longer ones hold nothing that matters
// here.
uint32_t CodePoint(std::string_view sequence) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(sequence[i]); };
  switch (sequence.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1fu) << 6 | (byte(1) & 0x3fu);
    case 3:
      return (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
    default:
      return 0x10000;
  }
}

bool IsUnsafe(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8SequenceBytes(text);
    if (length == 0) {
      out.append("\\x");
      AppendHex(static_cast<uint8_t>(text[0]), 2, out);
      text.remove_prefix(1);
      continue;
    }
    const uint32_t code = CodePoint(text.substr(0, length));
    if (!IsUnsafe(code)) {
      out.append(text.substr(0, length));
    } else if (code == '\n') {
      out.append("\\n");
    } else if (code == '\t') {
      out.append("\\t");
    } else if (code < 0x80) {
      out.append("\\x");
      AppendHex(code, 2, out);
    } else {
      out.append("\\u{");
      AppendHex(code, 4, out);
      out.push_back('}');
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string JsonEscaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8SequenceBytes(text);
    if (length == 0) {
      out.append("\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    const uint32_t code = CodePoint(text.substr(0, length));
    if (code == '"' || code == '\\') {
      out.push_back('\\');
      out.push_back(text[0]);
    } else if (code == '\n') {
      out.append("\\n");
    } else if (IsUnsafe(code)) {
      out.append("\\u");
      AppendHex(code, 4, out);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace skimwatch::text
