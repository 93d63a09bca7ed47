#ifndef SKIMWATCH_AGENT_CARD_DECODERS_H_
#define SKIMWATCH_AGENT_CARD_DECODERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/card/decoded_text.h"

namespace skimwatch::card {

// A form of text that is undone before its digits can be read.
enum class Form : uint8_t {
  kBase64,
  kHex,
  // Escapes of every kind (EscapeAt), which stand beside each other in any order.
  kEscapes,
  kUtf16Le,
  kUtf16Be,
  // code_list.h
  kHexPairs,
  kQuotedPairs,
  kDecimalCodes,
};

constexpr bool IsCodeList(Form form) { return form >= Form::kHexPairs; }

// Undoes `form` over [begin, end) of `text` and appends what it gives to `out`, until `out` is
// full. Returns where it stopped, `end` when all is done. What is not of the form is skipped
// (base64, hex) or kept as it is (escapes). `begin` is where a unit (group of four, pair, escape)
// begins.
size_t Decode(Form form, std::string_view text, size_t begin, size_t end, DecodedText& out);

enum class EscapeKind : uint8_t { kPercent, kBackslash, kEntity };
inline constexpr size_t kEscapeKinds = 3;

struct EscapeSymbol {
  // Bytes of the escape; 0 when there is none.
  uint8_t bytes = 0;
  EscapeKind kind = EscapeKind::kPercent;
  // What it stands for: a byte of UTF-8 for percent, a code point for the others.
  uint32_t code = 0;
};
// The escape at `at`: `%41`; `\x41`, `\u0041`, `\u{41}`, `\101`, `\n` and its like; `&#65;`,
// `&#x41;`. Each begins with a sign that no other has in it, so that escapes never overlap.
EscapeSymbol EscapeAt(std::string_view text, size_t at);

// Which kinds of escapes are in [begin, end) of `text`, by EscapeKind; `begin` and `end` are within
// none.
std::array<bool, kEscapeKinds> EscapesIn(std::string_view text, size_t begin, size_t end);

// Whether UTF-16, little endian, has no sign of ASCII, and not just full-width digits and hyphens
// of which three digits differ: rows of pixels look like that.
bool IsPatternOfWideDigits(std::string_view units);

// Whether the escape at `at` could be part of an encoded number, or of something encoded that holds
// one: it stands for a digit, a letter or another escape's beginning, for a separator between
// digits, or for a sign within base64. Others (`%2F` in a path, `\"`) need not be undone to see a
// number.
bool IsTellingEscape(std::string_view text, size_t at);

// False for most escapes at `at` that neither tell nor separate digits (SeparatorAt), such as `\"`,
// `\u003c` and the first sign of `&&`, at less cost.
bool MayTell(std::string_view text, size_t at);

// The stretch of `text` around the telling escape at `at` in which escapes that may tell follow
// each other closely, with some text on both sides. At most [floor, ceiling).
struct Stretch {
  size_t begin = 0;
  size_t end = 0;
  // Numbers that begin in here may have such an escape in or near them. What is around is context:
  // it ends at a sign that is of no number in any form where there is one, so that the cut does not
  // make a slice of a number look whole.
  size_t core_begin = 0;
  size_t core_end = 0;
};
Stretch EscapedStretch(std::string_view text, size_t at, size_t floor, size_t ceiling);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_DECODERS_H_
