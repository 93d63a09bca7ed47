#include "agent/card/symbols.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace skimwatch::card {
namespace {

// First code points (digit zero) of the runs of ten decimal digits of the scripts in use;
// Unicode 15, general category Nd.
constexpr uint32_t kZeros[] = {
    0x0660, 0x06F0, 0x07C0, 0x0966,  0x09E6,  0x0A66,  0x0AE6,  0x0B66,  0x0BE6,  0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0,  0x0F20,  0x1040,  0x1090,  0x17E0,  0x1810,  0x1946, 0x19D0,
    0x1A80, 0x1A90, 0x1B50, 0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,  0xA900,  0xA9D0, 0xA9F0,
    0xAA50, 0xABF0, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1FBF0,
};
static_assert(std::is_sorted(std::begin(kZeros), std::end(kZeros)));

constexpr SeparatorSymbol kEscaped = {3, kEscapedSpace};
constexpr SeparatorSymbol kNamed = {6, kNamedSpace};
constexpr char kLatinSpace = '\xA0';
constexpr SeparatorSymbol kLatin = {1, kLatinNoBreakSpace};

struct CodePoint {
  uint32_t code = 0;
  uint8_t bytes = 0;
};

// The code point of two to four bytes at `at`; no bytes when it is malformed.
CodePoint DecodeWide(std::string_view text, size_t at) {
  const auto lead = static_cast<uint8_t>(text[at]);
  uint8_t bytes = 0;
  uint32_t code = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    bytes = 2;
    code = lead & 0x1F;
  } else if ((lead & 0xF0) == 0xE0) {
    bytes = 3;
    code = lead & 0x0F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    bytes = 4;
    code = lead & 0x07;
  }
  if (bytes == 0 || text.size() - at < bytes) return {};
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<uint8_t>(text[at + i]);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3F);
  }
  return {code, bytes};
}

// Where the code point that ends before `end` begins; `end` when it is ASCII or malformed.
size_t WideBegin(std::string_view text, size_t end) {
  for (size_t bytes = 1; bytes <= 4 && bytes <= end; ++bytes) {
    const auto byte = static_cast<uint8_t>(text[end - bytes]);
    if ((byte & 0xC0) == 0x80) continue;
    return byte >= 0xC0 ? end - bytes : end;
  }
  return end;
}

bool IsWideSeparator(uint32_t code) {
  return code == 0xA0 || code == 0xAD || code == 0x1680 || (code >= 0x2000 && code <= 0x200B) ||
         (code >= 0x2010 && code <= 0x2015) || code == 0x202F || code == 0x2043 || code == 0x205F ||
         code == 0x2060 || code == 0x2212 || code == 0x3000 || code == 0xFE58 || code == 0xFE63 ||
         code == 0xFEFF || code == 0xFF0D;
}

bool IsAsciiSeparator(char c) {
  return c == ' ' || c == '-' || c == '.' || c == '_' || c == '/' || c == '+';
}

// A number that begins at `number` and ends at `closing`, of an escape that begins at `at`.
Neighbour NumberedEscape(std::string_view text, size_t at, size_t number, bool hex, char closing,
                         bool must_close) {
  constexpr size_t kDigitsMax = 7;
  uint32_t code = 0;
  size_t end = number;
  while (end < text.size() && end - number < kDigitsMax) {
    const int digit = hex ? HexValue(text[end]) : IsAsciiDigit(text[end]) ? text[end] - '0' : -1;
    if (digit < 0) break;
    code = code * (hex ? 16 : 10) + static_cast<uint32_t>(digit);
    ++end;
  }
  constexpr uint32_t kCodePointMax = 0x10FFFF;
  if (end == number || code > kCodePointMax) return {};
  const bool closed = end < text.size() && text[end] == closing;
  if (must_close && !closed) return {};
  if (closed) ++end;
  return {code, static_cast<uint8_t>(end - at)};
}

bool IsAsciiAlnumOrMark(char c) {
  return IsAsciiAlnum(c) || c == '&' || c == '#' || c == '\\' || c == '{';
}

// Escapes of escapes may be cut, too: `\%7`.
constexpr size_t kCutEscapeBytesMax = 10;
bool IsOfEscape(char c) {
  return HexValue(c) >= 0 || std::string_view("\\%&#;ux{}").find(c) != std::string_view::npos;
}

// What `\n` and its like stand for; 0 for others.
char SimpleEscape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case '"':
    case '\'':
    case '\\':
    case '/':
      return c;
    default:
      return 0;
  }
}

}  // namespace

DigitSymbol WideDigitAt(std::string_view text, size_t at) {
  const CodePoint point = DecodeWide(text, at);
  if (point.bytes == 0 || point.code < kZeros[0]) return {};
  const uint32_t zero =
      *std::prev(std::upper_bound(std::begin(kZeros), std::end(kZeros), point.code));
  if (point.code - zero > 9) return {};
  return {point.bytes, static_cast<uint8_t>(point.code - zero)};
}

DigitSymbol DigitBefore(std::string_view text, size_t end) {
  if (end == 0) return {};
  const char c = text[end - 1];
  if (IsAsciiDigit(c)) return {1, static_cast<uint8_t>(c - '0')};
  if (static_cast<unsigned char>(c) < 0x80) return {};
  const size_t begin = WideBegin(text, end);
  if (begin == end) return {};
  const DigitSymbol digit = WideDigitAt(text, begin);
  return begin + digit.bytes == end ? digit : DigitSymbol{};
}

SeparatorSymbol SeparatorAt(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  const char c = text[at];
  if (IsAsciiSeparator(c)) return {1, static_cast<uint16_t>(c)};
  if (c == '%') {
    return text.substr(at).starts_with("%20") ? kEscaped : SeparatorSymbol{};
  }
  if (c == '&') {
    return text.substr(at).starts_with("&nbsp;") ? kNamed : SeparatorSymbol{};
  }
  if (static_cast<unsigned char>(c) < 0x80) return {};
  if (c == kLatinSpace) return at > 0 && IsAsciiDigit(text[at - 1]) ? kLatin : SeparatorSymbol{};
  const CodePoint point = DecodeWide(text, at);
  if (point.bytes == 0 || !IsWideSeparator(point.code)) return {};
  return {point.bytes, static_cast<uint16_t>(point.code)};
}

SeparatorSymbol SeparatorBefore(std::string_view text, size_t end) {
  if (end == 0) return {};
  const char c = text[end - 1];
  if (IsAsciiSeparator(c)) return {1, static_cast<uint16_t>(c)};
  if (c == ';') return text.substr(0, end).ends_with("&nbsp;") ? kNamed : SeparatorSymbol{};
  if (c == '0') return text.substr(0, end).ends_with("%20") ? kEscaped : SeparatorSymbol{};
  if (static_cast<unsigned char>(c) < 0x80) return {};
  if (c == kLatinSpace && end > 1 && IsAsciiDigit(text[end - 2])) return kLatin;
  const size_t begin = WideBegin(text, end);
  if (begin == end) return {};
  const SeparatorSymbol separator = SeparatorAt(text.substr(0, end), begin);
  return begin + separator.bytes == end ? separator : SeparatorSymbol{};
}

Neighbour NeighbourBefore(std::string_view text, size_t begin) {
  if (begin == 0) return {};
  const auto raw = static_cast<uint8_t>(text[begin - 1]);
  if (!MayEndEscape(text[begin - 1])) return {raw, 1};
  if (begin >= 3 && text[begin - 3] == '%') {
    if (const int64_t code = HexNumberAt(text, begin - 2, 2); code >= 0) {
      return {static_cast<uint32_t>(code), 3};
    }
  }
  if (begin >= 2 && text[begin - 2] == '\\') {
    // An even count of backslashes before is a backslash, then the plain sign.
    size_t slashes = 0;
    while (slashes < 8 && slashes + 2 <= begin && text[begin - 2 - slashes] == '\\') ++slashes;
    const char simple = SimpleEscape(static_cast<char>(raw));
    if (slashes % 2 == 1 && simple != 0) {
      return {static_cast<uint32_t>(simple), 2};
    }
  }
  if (begin >= 4 && text[begin - 4] == '\\') {
    const int64_t code =
        text[begin - 3] == 'x' ? HexNumberAt(text, begin - 2, 2) : OctalNumberAt(text, begin - 3);
    if (code >= 0) return {static_cast<uint32_t>(code), 4};
  }
  if (begin >= 6 && text[begin - 6] == '\\' && text[begin - 5] == 'u') {
    if (const int64_t code = HexNumberAt(text, begin - 4, 4); code >= 0) {
      return {static_cast<uint32_t>(code), 6};
    }
  }
  if (raw == ';' || raw == '}') {
    constexpr size_t kEscapeBytesMax = 11;
    const size_t floor = begin > kEscapeBytesMax ? begin - kEscapeBytesMax : 0;
    for (size_t at = begin - 1; at > floor && IsAsciiAlnumOrMark(text[at - 1]); --at) {
      if (text[at - 1] != '&' && text[at - 1] != '\\') continue;
      const Neighbour symbol =
          raw == ';' ? CharacterReferenceAt(text, at - 1) : BracedEscapeAt(text, at - 1);
      if (symbol.bytes > 0 && at - 1 + symbol.bytes == begin) return symbol;
      break;
    }
  }
  return {raw, 1};
}

Neighbour CharacterReferenceAt(std::string_view text, size_t at) {
  if (text.substr(at, 2) != "&#" || text.size() - at < 4) return {};
  const bool hex = (text[at + 2] | 0x20) == 'x';
  return NumberedEscape(text, at, at + (hex ? 3 : 2), hex, ';', /*must_close=*/false);
}

Neighbour BracedEscapeAt(std::string_view text, size_t at) {
  if (text.substr(at, 3) != "\\u{") return {};
  return NumberedEscape(text, at, at + 3, /*hex=*/true, '}', /*must_close=*/true);
}

Neighbour NeighbourAfter(std::string_view text, size_t end) {
  if (end >= text.size()) return {};
  const char raw = text[end];
  if (raw == '%') {
    if (const int64_t code = HexNumberAt(text, end + 1, 2); code >= 0) {
      return {static_cast<uint32_t>(code), 3};
    }
  }
  if (raw == '\\' && end + 1 < text.size()) {
    const char next = text[end + 1];
    if (next == 'x') {
      if (const int64_t code = HexNumberAt(text, end + 2, 2); code >= 0) {
        return {static_cast<uint32_t>(code), 4};
      }
    } else if (const Neighbour braced = BracedEscapeAt(text, end); braced.bytes > 0) {
      return braced;
    } else if (next == 'u') {
      if (const int64_t code = HexNumberAt(text, end + 2, 4); code >= 0) {
        return {static_cast<uint32_t>(code), 6};
      }
    } else if (next >= '0' && next <= '3') {
      if (const int code = OctalNumberAt(text, end + 1); code >= 0) {
        return {static_cast<uint32_t>(code), 4};
      }
    } else if (const char simple = SimpleEscape(next); simple != 0) {
      return {static_cast<uint32_t>(simple), 2};
    }
  }
  if (raw == '&') {
    if (const Neighbour symbol = CharacterReferenceAt(text, end); symbol.bytes > 0) return symbol;
  }
  return {static_cast<uint8_t>(raw), 1};
}

bool IsCutEscape(std::string_view text, size_t at) {
  if (at >= text.size() || text.size() - at > kCutEscapeBytesMax) return false;
  const std::string_view rest = text.substr(at);
  const bool is_mark = rest[0] == '\\' || rest[0] == '%' || rest[0] == '&';
  return is_mark && std::all_of(rest.begin(), rest.end(), IsOfEscape) &&
         !NeighbourAfter(text, at).escaped();
}

bool MayBeEndOfEscape(std::string_view text, size_t begin) {
  const std::string_view before = text.substr(0, begin);
  return begin <= kCutEscapeBytesMax && std::all_of(before.begin(), before.end(), IsOfEscape);
}

size_t SkipEscapeTail(std::string_view text, size_t begin) {
  // `letters` hexadecimal digits that are letters, or digits before them, stand between the
  // escape's head and `begin`.
  for (size_t letters = 0; letters < 4 && letters < begin; ++letters) {
    const size_t head = begin - letters;
    const std::string_view before = text.substr(0, head);
    const size_t wanted = before.ends_with("\\u")                            ? 4
                          : before.ends_with('%') || before.ends_with("\\x") ? 2
                                                                             : 0;
    if (wanted > letters && HexNumberAt(text, head, wanted) >= 0) return head + wanted;
    // In `C:\3714...` the number is whole: escapes of text end at 0177.
    if (letters == 0 && before.ends_with('\\') && text[head] <= '1' &&
        OctalNumberAt(text, head) >= 0) {
      return head + 3;
    }
    if (HexValue(text[head - 1]) < 0) break;
  }
  return begin;
}

}  // namespace skimwatch::card
