#include "proto/validation/card_digits.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace skimwatch::validation {
namespace {

constexpr size_t kDigitsMin = 13;
constexpr size_t kDigitsMax = 19;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Length in bytes of the separator at `at`, 0 for none: space, `-`, `.`, `_`, `/`, `+`, `%20`, and
// the no-break, thin and narrow spaces in UTF-8.
size_t SeparatorAt(std::string_view text, size_t at) {
  switch (text[at]) {
    case ' ':
    case '-':
    case '.':
    case '_':
    case '/':
    case '+':
      return 1;
    default:
      break;
  }
  const std::string_view rest = text.substr(at, 3);
  if (rest.starts_with("\xC2\xA0")) return 2;
  if (rest == "%20" || rest == "\xE2\x80\x89" || rest == "\xE2\x80\xAF") return 3;
  return 0;
}

bool IsLetterOrDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Length of anything that may part two groups of a card's own sizes, 0 for none.
size_t LooseSeparatorAt(std::string_view text, size_t at) {
  constexpr size_t kBytesMax = 3;
  if (const size_t usual = SeparatorAt(text, at); usual == kBytesMax) return usual;
  size_t bytes = 0;
  while (bytes < kBytesMax && at + bytes < text.size() && !IsLetterOrDigit(text[at + bytes])) {
    ++bytes;
  }
  return at + bytes < text.size() && IsDigit(text[at + bytes]) ? bytes : 0;
}

// The digits of one candidate as they are collected.
struct Digits {
  std::array<uint8_t, kDigitsMax> value{};
  size_t count = 0;

  int Prefix(size_t length) const {
    int prefix = 0;
    for (size_t i = 0; i < length; ++i) prefix = prefix * 10 + value[i];
    return prefix;
  }
};

bool LuhnValid(const Digits& digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.count; ++i) {
    int digit = digits.value[digits.count - 1 - i];
    if (i % 2 == 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

// Whether an issuer gives numbers that begin and are as long as this one. Wider than the agent's
// brand table where ranges are in flux.
bool IssuerUses(const Digits& digits) {
  const size_t length = digits.count;
  const int two = digits.Prefix(2);
  const int four = digits.Prefix(4);
  switch (digits.value[0]) {
    case 1:  // UATP, JCB 1800
      return length == 15;
    case 2:  // Mastercard 2-series, Mir, JCB 2131
      if (four == 2131) return length == 15;
      return length >= 16 && ((four >= 2200 && four <= 2204) || (four >= 2221 && four <= 2720));
    case 3:  // American Express, Diners Club, JCB, T-Union
      if (two == 34 || two == 37) return length == 15;
      if (two == 35) return length >= 16;
      if (two == 31) return length == 19;
      return (two == 30 || two == 36 || two == 38 || two == 39) && length >= 14;
    case 4:  // Visa
      return length == 13 || length == 16 || length >= 18;
    case 5:  // Mastercard, Maestro, Elo, Verve, Dankort
      return two >= 51 && two <= 55 ? length == 16 : true;
    case 6:  // Discover, Maestro, UnionPay, RuPay, Hipercard
      return true;
    case 8:  // UnionPay 810-817, RuPay, UzCard
      return length >= 16 && (two == 81 || two == 82 || two == 86);
    case 9:  // Troy, Humo, Napas
      return length >= 16 && (four == 9792 || four == 9860 || four == 9704);
    default:
      return false;
  }
}

// Visa, Mastercard, American Express, Discover, JCB and UnionPay in their usual lengths: what is
// looked for at every place of a longer run, where all that an issuer uses would be found by
// chance.
bool IsGreatBrand(const Digits& digits) {
  const int two = digits.Prefix(2);
  const int four = digits.Prefix(4);
  if (digits.count == 15) return two == 34 || two == 37;
  return digits.value[0] == 4 || (two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) ||
         four == 6011 || two == 65 || two == 62 || (four >= 3528 && four <= 3589);
}

bool CouldBeCard(const Digits& digits) {
  return digits.count >= kDigitsMin && IssuerUses(digits) && LuhnValid(digits);
}

// A stretch of digits without a separator.
struct Group {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

Group GroupAt(std::string_view text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && IsDigit(text[end])) ++end;
  return {begin, end};
}

bool Add(std::string_view text, const Group& group, Digits& digits) {
  if (digits.count + group.size() > kDigitsMax) return false;
  for (size_t i = group.begin; i < group.end; ++i) {
    digits.value[digits.count++] = static_cast<uint8_t>(text[i] - '0');
  }
  return true;
}

// Card numbers are grouped evenly with a shorter or longer end (4-4-4-4-3, 1-1-1-...), or as
// 4-6-5, 4-6-4 and 4-5-6. Dates, versions and addresses are not, once they are long enough.
bool GroupedLikeCard(const std::array<uint8_t, kDigitsMax>& sizes, size_t count) {
  if (count == 3 && sizes[0] == 4 && (sizes[1] == 5 || sizes[1] == 6)) return true;
  if (count == 2) return sizes[0] >= 4 && sizes[1] >= 4;
  for (size_t i = 1; i + 1 < count; ++i) {
    if (sizes[i] != sizes[1]) return false;
  }
  // 4-3-3-3 is an old form of 13 digits.
  return sizes[0] == sizes[1] || sizes[0] == sizes[1] + 1;
}

// Sizes that cards are printed in: fours, 4-6-5 and 4-6-4.
bool PrintedLikeCard(const std::array<uint8_t, kDigitsMax>& sizes, size_t count) {
  if (count == 3) return sizes[0] == 4 && sizes[1] == 6 && (sizes[2] == 5 || sizes[2] == 4);
  if (count < 4) return false;
  for (size_t i = 0; i < 4; ++i) {
    if (sizes[i] != 4) return false;
  }
  return true;
}

// The number of a great brand within a run of digits that is longer than it.
DigitRange NumberWithin(std::string_view text, const Group& run) {
  for (size_t begin = run.begin; begin + 15 <= run.end; ++begin) {
    for (const size_t length : {size_t{16}, size_t{15}}) {
      if (begin + length > run.end) continue;
      Digits digits;
      Add(text, {begin, begin + length}, digits);
      if (IsGreatBrand(digits) && LuhnValid(digits)) return {begin, begin + length};
    }
  }
  return {};
}

// The number that begins with the group at `first`, with anything between its groups.
DigitRange PrintedNumber(std::string_view text, const Group& first) {
  Digits digits;
  std::array<uint8_t, kDigitsMax> sizes{};
  size_t groups = 0;
  Group group = first;
  DigitRange longest;
  while (group.size() > 0 && Add(text, group, digits)) {
    sizes[groups++] = static_cast<uint8_t>(group.size());
    if (PrintedLikeCard(sizes, groups) && CouldBeCard(digits)) longest = {first.begin, group.end};
    if (group.end == text.size()) break;
    const size_t bytes = LooseSeparatorAt(text, group.end);
    if (bytes == 0) break;
    group = GroupAt(text, group.end + bytes);
  }
  return longest;
}

// The number that begins with the group at `first`, written in several groups.
DigitRange GroupedNumber(std::string_view text, const Group& first) {
  Digits digits;
  std::array<uint8_t, kDigitsMax> sizes{};
  size_t groups = 0;
  Group group = first;
  std::string_view separator;
  DigitRange longest;
  while (group.size() > 0 && Add(text, group, digits)) {
    sizes[groups++] = static_cast<uint8_t>(group.size());
    if (groups > 1 && GroupedLikeCard(sizes, groups) && CouldBeCard(digits)) {
      longest = {first.begin, group.end};
    }
    if (group.end == text.size()) break;
    const size_t bytes = SeparatorAt(text, group.end);
    const std::string_view next = text.substr(group.end, bytes);
    if (bytes == 0 || (groups > 1 && next != separator)) break;
    separator = next;
    group = GroupAt(text, group.end + bytes);
  }
  return longest;
}

// Whether nothing that GroupedNumber or PrintedNumber would follow stands behind the group, as
// behind most numbers.
bool IsAlone(std::string_view text, const Group& group) {
  constexpr size_t kPrintedFirst = 4;
  if (group.end == text.size()) return true;
  return group.size() != kPrintedFirst && SeparatorAt(text, group.end) == 0;
}

// The first digit at or after `at`, eight bytes at a time; the text's size where there is none.
size_t NextDigit(std::string_view text, size_t at) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = kOnes * 0x80;
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    // Of each byte below 0x80, the high bit of the first sum says '0' or above, of the second ':'
    // or above.
    const uint64_t low = word & ~kHigh;
    const uint64_t digits =
        (low + kOnes * (0x80 - '0')) & ~(low + kOnes * (0x80 - ':')) & ~word & kHigh;
    if (digits != 0) break;
  }
  while (at < text.size() && !IsDigit(text[at])) ++at;
  return at;
}

}  // namespace

DigitRange FindCardNumber(std::string_view text, size_t from) {
  for (size_t at = NextDigit(text, from); at < text.size();) {
    const Group group = GroupAt(text, at);
    if (group.size() < kDigitsMin && IsAlone(text, group)) {
      at = NextDigit(text, group.end);
      continue;
    }
    if (group.size() >= kDigitsMin && group.size() <= kDigitsMax) {
      Digits digits;
      Add(text, group, digits);
      if (CouldBeCard(digits)) return {group.begin, group.end};
    }
    if (const DigitRange within = NumberWithin(text, group); !within.empty()) return within;
    if (group.size() < kDigitsMax) {
      const DigitRange grouped = GroupedNumber(text, group);
      if (!grouped.empty()) return grouped;
    }
    if (group.size() == 4) {
      const DigitRange printed = PrintedNumber(text, group);
      if (!printed.empty()) return printed;
    }
    at = NextDigit(text, group.end);
  }
  return {};
}

bool MaskCardNumbers(std::string& text) {
  bool found = false;
  for (DigitRange range = FindCardNumber(text); !range.empty();
       range = FindCardNumber(text, range.end)) {
    found = true;
    for (size_t i = range.begin; i < range.end; ++i) {
      if (IsDigit(text[i])) text[i] = '*';
    }
  }
  return found;
}

}  // namespace skimwatch::validation
