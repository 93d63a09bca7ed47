#ifndef SKIMWATCH_AGENT_CARD_SYMBOLS_H_
#define SKIMWATCH_AGENT_CARD_SYMBOLS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The signs that numbers are written with in UTF-8 text: digits of any script, the separators
// between groups, and the escapes that may stand directly beside a number.
namespace skimwatch::card {

constexpr bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsAsciiLetter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
constexpr bool IsAsciiAlnum(char c) { return IsAsciiDigit(c) || IsAsciiLetter(c); }
// Value of a hexadecimal digit, -1 for others.
constexpr int HexValue(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The same for every byte, for where most are digits.
inline constexpr std::array<int8_t, 256> kHexValues = [] {
  std::array<int8_t, 256> values{};
  for (int c = 0; c < 256; ++c) {
    values[c] = static_cast<int8_t>(c < 0x80 ? HexValue(static_cast<char>(c)) : -1);
  }
  return values;
}();

// Value of `count` hexadecimal digits at `at`, at most 8; -1 when they are not all that.
inline int64_t HexNumberAt(std::string_view text, size_t at, size_t count) {
  if (at > text.size() || text.size() - at < count) return -1;
  int64_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const int8_t digit = kHexValues[static_cast<uint8_t>(text[at + i])];
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

struct DigitSymbol {
  // Length of the sign; 0 when there is no digit.
  uint8_t bytes = 0;
  uint8_t value = 0;
};

// The decimal digit at `at`: ASCII, or Unicode general category Nd in UTF-8 (full-width,
// Arabic-Indic, the Indic scripts, Thai, mathematical and others).
DigitSymbol WideDigitAt(std::string_view text, size_t at);
inline DigitSymbol DigitAt(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  const char c = text[at];
  if (IsAsciiDigit(c)) return {1, static_cast<uint8_t>(c - '0')};
  return static_cast<unsigned char>(c) < 0x80 ? DigitSymbol{} : WideDigitAt(text, at);
}
// The digit that ends just before `end`.
DigitSymbol DigitBefore(std::string_view text, size_t end);

struct SeparatorSymbol {
  // Length of the sign; 0 when there is no separator.
  uint8_t bytes = 0;
  // Tells separators apart: the code point, or kEscapedSpace and the like.
  uint16_t kind = 0;
};
inline constexpr uint16_t kEscapedSpace = 1;  // `%20`
inline constexpr uint16_t kNamedSpace = 2;    // `&nbsp;`
inline constexpr uint16_t kLatinNoBreakSpace = 3;

// The separator at `at`: space, `-` `.` `_` `/` `+`, `%20`, `&nbsp;`, the no-break space of Latin-1
// after a digit, and in UTF-8 the no-break space, the soft hyphen and the spaces, hyphens and
// dashes of Unicode.
SeparatorSymbol SeparatorAt(std::string_view text, size_t at);
// The separator that ends just before `end`.
SeparatorSymbol SeparatorBefore(std::string_view text, size_t end);

// What stands directly before or after a number, an escape undone.
struct Neighbour {
  // 0 where the text ends.
  uint32_t code = 0;
  // Bytes it takes; 0 where the text ends.
  uint8_t bytes = 0;

  bool escaped() const { return bytes > 1; }
};
// Whether an escape may end with a sign; most signs beside numbers are others.
constexpr bool MayEndEscape(char c) {
  return IsAsciiAlnum(c) || c == ';' || c == '}' || c == '"' || c == '\'' || c == '\\' || c == '/';
}
Neighbour NeighbourBefore(std::string_view text, size_t begin);
Neighbour NeighbourAfter(std::string_view text, size_t end);

// The numeric character reference at `at`: `&#52;`, `&#x34;`, the semicolon may be missing.
Neighbour CharacterReferenceAt(std::string_view text, size_t at);
// `\u{34}`
Neighbour BracedEscapeAt(std::string_view text, size_t at);

// Whether [at, text.size()) is the beginning of an escape that the end of the text cuts: `\`,
// `\u00`,
// `%3`, `&#5`.
bool IsCutEscape(std::string_view text, size_t at);
// Whether all of [0, begin) may be the end of an escape that the beginning of the text cuts:
// `0034`,
// `#52;`.
bool MayBeEndOfEscape(std::string_view text, size_t begin);

// What three octal digits at `at` stand for, as in `\064`, at most 0377; -1 when they are not that.
inline int OctalNumberAt(std::string_view text, size_t at) {
  if (at > text.size() || text.size() - at < 3) return -1;
  const auto is_octal = [&](size_t i) { return text[i] >= '0' && text[i] <= '7'; };
  if (text[at] > '3' || !is_octal(at) || !is_octal(at + 1) || !is_octal(at + 2)) return -1;
  return (text[at] - '0') * 64 + (text[at + 1] - '0') * 8 + (text[at + 2] - '0');
}

// The end of a percent, `\x`, `\u` or octal escape that begins before `begin` and whose last
// hexadecimal digits are what seems to be the beginning of a number; `begin` when there is none. In
// `%224111...` the number begins at the first 4.
size_t SkipEscapeTail(std::string_view text, size_t begin);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_SYMBOLS_H_
