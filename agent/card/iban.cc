#include "agent/card/iban.h"

#include <string.h>

#include <cstdint>

#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

// Longest that ISO 13616 allows, and shortest in the SWIFT registry of formats (Norway).
constexpr size_t kSignsMax = 34;
constexpr size_t kSignsMin = 15;
constexpr size_t kBytesMax = 64;

// Countries of the SWIFT IBAN registry, release 98.
constexpr std::string_view kCountries =
    "ADAEALATAZBABEBGBHBIBRBYCHCRCYCZDEDJDKDOEEEGESFIFKFOFRGBGEGIGLGRGTHNHRHUIEILIQISITJOKWKZLBLCLI"
    "LTLULVLYMCMDMEMKMNMRMTMUNINLNOOMPKPLPSPTQAROSCSDSESISKSMSOSTSVTLTNTRUAVAVGXKYE";

constexpr bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool IsGroupSeparator(char c) { return c == ' ' || c == '-' || c == '.'; }

// Whether a word begins at `at` with a country code and two digits.
bool OpensIban(std::string_view text, size_t at) {
  constexpr size_t kOpening = 4;
  if (text.size() - at < kOpening || !IsUpper(text[at]) || !IsUpper(text[at + 1])) return false;
  if (!IsAsciiDigit(text[at + 2]) || !IsAsciiDigit(text[at + 3])) return false;
  if (at > 0 && IsAsciiAlnum(text[at - 1])) return false;
  for (size_t i = 0; i < kCountries.size(); i += 2) {
    if (kCountries.substr(i, 2) == text.substr(at, 2)) return true;
  }
  return false;
}

// False for most texts without a letter, which are among the bytes with bit 6.
bool MayHoldLetter(std::string_view text) {
  constexpr uint64_t kBit6 = 0x4040404040404040u;
  uint64_t seen = 0;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    memcpy(&word, text.data() + at, sizeof(word));
    seen |= word;
  }
  for (; at < text.size(); ++at) seen |= static_cast<uint8_t>(text[at]);
  return (seen & kBit6) != 0;
}

// The remainder of `remainder` with the sign `c` written after it: letters count 10 to 35.
unsigned Append(unsigned remainder, char c) {
  constexpr unsigned kModulus = 97;
  if (IsAsciiDigit(c)) return (remainder * 10 + static_cast<unsigned>(c - '0')) % kModulus;
  return (remainder * 100 + static_cast<unsigned>((c | 0x20) - 'a') + 10) % kModulus;
}

// Whether an IBAN begins at `at` whose check digits are right and which ends with a group, at `end`
// or after.
bool ChecksFrom(std::string_view text, size_t at, size_t end) {
  size_t signs = 4;
  unsigned account = 0;
  size_t i = at + signs;
  while (i < text.size() && signs < kSignsMax) {
    if (IsGroupSeparator(text[i])) {
      ++i;
      if (i >= text.size()) return false;
    }
    if (!IsAsciiAlnum(text[i])) return false;
    account = Append(account, text[i]);
    ++signs;
    ++i;
    const bool ends = i >= end && (i == text.size() || !IsAsciiAlnum(text[i]));
    if (!ends || signs < kSignsMin) continue;
    unsigned remainder = account;
    for (size_t k = 0; k < 4; ++k) remainder = Append(remainder, text[at + k]);
    if (remainder == 1) return true;
  }
  return false;
}

}  // namespace

bool IsInIban(std::string_view text, size_t begin, size_t end) {
  const size_t floor = begin > kBytesMax ? begin - kBytesMax : 0;
  if (!MayHoldLetter(text.substr(floor, begin - floor))) return false;
  size_t signs = 0;
  for (size_t at = begin; at > floor && signs < kSignsMax;) {
    --at;
    if (IsAsciiAlnum(text[at])) {
      ++signs;
      // Most of it is digits.
      if (IsUpper(text[at]) && OpensIban(text, at) && ChecksFrom(text, at, end)) return true;
    } else if (!IsGroupSeparator(text[at]) || (at > 0 && IsGroupSeparator(text[at - 1]))) {
      break;
    }
  }

  constexpr size_t kOpeningAndSpace = 5;
  if (begin < kOpeningAndSpace || !OpensIban(text, begin - kOpeningAndSpace)) return false;
  const char separator = text[begin - 1];
  if (!IsGroupSeparator(separator) || end >= text.size() || text[end] != separator) return false;
  constexpr size_t kGroupMax = 4;
  size_t rest = end + 1;
  while (rest < text.size() && IsAsciiDigit(text[rest])) ++rest;
  const size_t digits = rest - end - 1;
  return digits >= 1 && digits <= kGroupMax && (rest == text.size() || !IsAsciiLetter(text[rest]));
}

}  // namespace skimwatch::card
