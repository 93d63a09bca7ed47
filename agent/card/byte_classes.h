#ifndef SKIMWATCH_AGENT_CARD_BYTE_CLASSES_H_
#define SKIMWATCH_AGENT_CARD_BYTE_CLASSES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/card/base64_alphabet.h"

// The kinds of byte that the first pass (first_pass.h) tells apart. Each set of classes is a table
// of a bit a class by the seven low bits of a byte; bytes beyond ASCII are of no class. A processor
// with VBMI looks 64 bytes up at once, and turns the bits of eight classes into eight masks.
namespace skimwatch::card {

inline constexpr size_t kBlockBytes = 64;

// What digits, and what stands around them, are told by.
namespace text_class {
inline constexpr uint8_t kDigit = 1;           // 0-9
inline constexpr uint8_t kSeparator = 2;       // space - . _ / +
inline constexpr uint8_t kHex = 4;             // 0-9 a-f A-F
inline constexpr uint8_t kPercent = 8;         // %
inline constexpr uint8_t kMark = 16;           // backslash &
inline constexpr uint8_t kCodeLead = 32;       // u x #, which lead a code after such a mark
inline constexpr uint8_t kControl = 64;        // below 0x20
inline constexpr uint8_t kBreakOrSlash = 128;  // n r /, which follow a backslash within base64
}  // namespace text_class

// What characters of base64 say about the bytes behind them, by their place in a group of four.
namespace sextet_class {
// The first, second, third byte of a group is ASCII if the character is the group's first, second,
// third.
inline constexpr uint8_t kAsciiFirst = 1;
inline constexpr uint8_t kAsciiSecond = 2;
inline constexpr uint8_t kAsciiThird = 4;
inline constexpr uint8_t kBase64 = 8;  // letters, digits, + / - _
inline constexpr uint8_t kTag = 16;    // W Z, which are the tags 57 and 5A of chips' fields
// The first byte of a group is a digit or an ASCII separator, if the character is the group's
// first.
inline constexpr uint8_t kNumberFirst = 32;
// Likewise a digit, or a byte near them: 0x30 to 0x3B.
inline constexpr uint8_t kDigitFirst = 64;
// Likewise one of those that full-width digits are made of in UTF-8: 0xEF, 0xBC, 0x90 to 0x99.
inline constexpr uint8_t kWideFirst = 128;
}  // namespace sextet_class

// What is told apart where encodings are not undone; bits as in text_class where both have one.
namespace plain_class {
inline constexpr uint8_t kDigit = text_class::kDigit;
inline constexpr uint8_t kSeparator = text_class::kSeparator;
inline constexpr uint8_t kBase64 = 4;
inline constexpr uint8_t kPercent = text_class::kPercent;
inline constexpr uint8_t kMark = text_class::kMark;
inline constexpr uint8_t kTag = 32;
inline constexpr uint8_t kControl = text_class::kControl;
inline constexpr uint8_t kBreakOrSlash = text_class::kBreakOrSlash;
}  // namespace plain_class

// First bytes of what may be separators (U+00A0, U+2000 and so on in UTF-8, the no-break space of
// Latin-1), and digits, or separators that have the same.
inline constexpr std::string_view kWideSeparatorLeads = "\xA0\xC2\xE2\xE3";
inline constexpr std::string_view kWideDigitLeads = "\xD9\xDB\xDF\xE0\xE1\xEA\xEF\xF0";

using ClassTable = std::array<uint8_t, 128>;

namespace byte_classes_internal {
constexpr void Mark(ClassTable& table, uint8_t class_bit, std::string_view bytes) {
  for (const char c : bytes) table[static_cast<uint8_t>(c)] |= class_bit;
}
inline constexpr std::string_view kDigits = "0123456789";
inline constexpr std::string_view kSeparators = " -._/+";
}  // namespace byte_classes_internal

inline constexpr ClassTable kTextClasses = [] {
  using byte_classes_internal::Mark;
  ClassTable table{};
  Mark(table, text_class::kDigit, byte_classes_internal::kDigits);
  Mark(table, text_class::kSeparator, byte_classes_internal::kSeparators);
  Mark(table, text_class::kHex, byte_classes_internal::kDigits);
  Mark(table, text_class::kHex, "abcdefABCDEF");
  Mark(table, text_class::kPercent, "%");
  Mark(table, text_class::kMark, "\\&");
  Mark(table, text_class::kCodeLead, "ux#");
  for (int c = 0; c < 0x20; ++c) table[c] |= text_class::kControl;
  Mark(table, text_class::kBreakOrSlash, "nr/");
  return table;
}();

inline constexpr ClassTable kSextetClassTable = [] {
  ClassTable table{};
  for (int c = 0; c < 128; ++c) {
    const uint8_t sextet = kSextets[c];
    if (sextet == kNoSextet) continue;
    table[c] |= sextet_class::kBase64;
    if ((sextet & 0x20) == 0) table[c] |= sextet_class::kAsciiFirst;
    if ((sextet & 0x08) == 0) table[c] |= sextet_class::kAsciiSecond;
    if ((sextet & 0x02) == 0) table[c] |= sextet_class::kAsciiThird;
    for (const char sign : std::string_view("0123456789 -._/+")) {
      if (sextet == static_cast<uint8_t>(sign) >> 2) table[c] |= sextet_class::kNumberFirst;
    }
    if (sextet >= 0x30 >> 2 && sextet <= 0x3B >> 2) table[c] |= sextet_class::kDigitFirst;
    if (sextet == 0xEF >> 2 || sextet == 0xBC >> 2 ||
        (sextet >= 0x90 >> 2 && sextet <= 0x99 >> 2)) {
      table[c] |= sextet_class::kWideFirst;
    }
  }
  byte_classes_internal::Mark(table, sextet_class::kTag, "WZ");
  return table;
}();

inline constexpr ClassTable kPlainClasses = [] {
  using byte_classes_internal::Mark;
  ClassTable table{};
  Mark(table, plain_class::kDigit, byte_classes_internal::kDigits);
  Mark(table, plain_class::kSeparator, byte_classes_internal::kSeparators);
  Mark(table, plain_class::kPercent, "%");
  Mark(table, plain_class::kMark, "\\&");
  Mark(table, plain_class::kBreakOrSlash, "nr/");
  for (int c = 0; c < 128; ++c) {
    if (kSextets[c] != kNoSextet) table[c] |= plain_class::kBase64;
  }
  Mark(table, plain_class::kTag, "WZ");
  for (int c = 0; c < 0x20; ++c) table[c] |= plain_class::kControl;
  return table;
}();

constexpr uint8_t ClassesOf(const ClassTable& table, char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte < table.size() ? table[byte] : uint8_t{0};
}

// Bit n of each mask: what the first 64 characters of a run in base64 say, by tables.
struct SextetClasses {
  // The first, second, third byte of a group is ASCII if character n is the group's first, second,
  // third.
  uint64_t ascii_first = 0;
  uint64_t ascii_second = 0;
  uint64_t ascii_third = 0;
  // The first byte is 0x30 to 0x3B, if character n opens a group: most of these are digits.
  uint64_t digit_first = 0;
  // The first byte is one of those that full-width digits are made of in UTF-8.
  uint64_t wide_first = 0;
};
SextetClasses ClassifySextets(const char* block);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_BYTE_CLASSES_H_
