#include "agent/card/number_finder.h"

#include <algorithm>
#include <iterator>

#include "agent/card/luhn.h"
#include "agent/card/record_tail.h"
#include "agent/card/symbols.h"
#include "agent/card/track.h"

namespace skimwatch::card {
namespace {

constexpr size_t kDigitsMin = 12;
constexpr size_t kDigitsMax = SecretDigits::kMax;
// How far a chain is followed back. Whatever is longer holds no number that begins this early.
constexpr size_t kBackBytesMax = 256;
constexpr size_t kTokenBytesMax = 40;

// The beginning of the chain that ends at or goes on at `at`.
size_t ChainBegin(std::string_view text, size_t at) {
  const size_t floor = at > kBackBytesMax ? at - kBackBytesMax : 0;
  // A run of digits is followed on until it is too long for a number.
  const size_t hard_floor = floor > kDigitsMax * 4 ? floor - kDigitsMax * 4 : 0;
  size_t begin = at;
  while (begin > hard_floor) {
    // Most of it is plain digits; `%20` ends in one too.
    while (begin > hard_floor && text[begin - 1] > '0' && text[begin - 1] <= '9') --begin;
    if (begin <= hard_floor) break;
    // `%20` ends in digits, so it is looked for first, also before another.
    const SeparatorSymbol separator = SeparatorBefore(text, begin);
    const size_t separator_begin = begin - separator.bytes;
    if (separator.bytes > 0 && DigitBefore(text, separator_begin).bytes > 0 &&
        SeparatorBefore(text, separator_begin).bytes == 0) {
      if (begin <= floor) break;
      begin = separator_begin;
      continue;
    }
    const DigitSymbol digit = DigitBefore(text, begin);
    if (digit.bytes == 0) break;
    begin -= digit.bytes;
  }
  const size_t after_escape = SkipEscapeTail(text, begin);
  if (after_escape > begin && begin >= 2 && (text[begin - 1] | 0x20) == 'b' &&
      text[begin - 2] == '%') {
    // `%B` opens track 1 when a number and `^` follow.
    size_t end = begin;
    while (end < text.size() && (IsAsciiDigit(text[end]) || text[end] == ' ')) ++end;
    if (end - begin >= kDigitsMin && NeighbourAfter(text, end).code == '^') return begin;
  }
  if (after_escape == begin) return begin;
  // In `%22 4111` what follows the escape is a separator.
  const SeparatorSymbol separator = SeparatorAt(text, after_escape);
  return DigitAt(text, after_escape + separator.bytes).bytes > 0 ? after_escape + separator.bytes
                                                                 : after_escape;
}

bool IsBlank(uint16_t separator) {
  return separator != '-' && separator != '.' && separator != '_' && separator != '/' &&
         (separator < 0x2010 || separator > 0x2015) && separator != 0x2043 && separator != 0x2212 &&
         separator != 0xFE58 && separator != 0xFE63 && separator != 0xFF0D;
}

// Whether the word that the number is part of is hexadecimal: a digest, an identifier, a colour.
bool InHexWord(std::string_view text, size_t begin, size_t end) {
  size_t letters = 0;
  const auto add = [&](char c) {
    if (!IsAsciiAlnum(c)) return 0;
    if (HexValue(c) < 0) return -1;
    if (IsAsciiLetter(c)) ++letters;
    return 1;
  };
  size_t first = begin;
  for (size_t n = 0; n < kTokenBytesMax && first > 0; ++n, --first) {
    const int result = add(text[first - 1]);
    if (result < 0) return first >= 2 && text[first - 1] == 'x' && text[first - 2] == '0';
    if (result == 0) break;
  }
  size_t last = end;
  for (size_t n = 0; n < kTokenBytesMax && last < text.size(); ++n, ++last) {
    const int result = add(text[last]);
    if (result < 0) return false;
    if (result == 0) break;
  }
  // `cc` before a number is a name.
  const std::string_view before = text.substr(first, begin - first);
  const bool named = last == end && (before == "cc" || before == "CC");
  return letters > 0 && !named;
}

// Whether [begin, end) touches a group of a UUID (RFC 4122: 8-4-4-4-12 hexadecimal digits).
bool InUuid(std::string_view text, size_t begin, size_t end) {
  const auto part = [&](char c) { return c == '-' || HexValue(c) >= 0; };
  size_t first = begin;
  while (first > 0 && begin - first < kTokenBytesMax && part(text[first - 1])) --first;
  size_t last = end;
  while (last < text.size() && last - end < kTokenBytesMax && part(text[last])) ++last;
  const std::string_view token = text.substr(first, last - first);
  constexpr size_t kUuidBytes = 36;
  for (size_t at = 0; at + kUuidBytes <= token.size(); ++at) {
    if (token[at + 8] == '-' && token[at + 13] == '-' && token[at + 18] == '-' &&
        token[at + 23] == '-' &&
        std::count(token.begin() + at, token.begin() + at + kUuidBytes, '-') == 4) {
      return true;
    }
  }
  return false;
}

bool IsExponent(std::string_view text, size_t at) {
  if (at >= text.size() || (text[at] | 0x20) != 'e') return false;
  size_t next = at + 1;
  if (next < text.size() && (text[next] == '+' || text[next] == '-')) ++next;
  return next < text.size() && IsAsciiDigit(text[next]);
}

// `D` after a number, then digits for expiry and service code at least, then the word ends, or pads
// with `F`: track 2 as chips and terminals have it (EMV tag 57).
bool IsTrack2Delimiter(std::string_view text, size_t at) {
  constexpr size_t kTailMin = 7;
  if (at >= text.size() || (text[at] | 0x20) != 'd') return false;
  size_t end = at + 1;
  while (end < text.size() && end - at <= kTokenBytesMax && IsAsciiDigit(text[end])) ++end;
  if (end - at - 1 < kTailMin) return false;
  if (end < text.size() && (text[end] | 0x20) == 'f') ++end;
  return end == text.size() || !IsAsciiAlnum(text[end]);
}

// The length that a field of protobuf or MessagePack is said to have, which begins at `begin` of
// `text`; 0 where none stands before it. A number there may be followed by a byte that looks like
// one more digit: protobuf's tags of the fields 6 and 7, MessagePack's small integers.
size_t PrefixedLength(std::string_view text, size_t begin) {
  constexpr uint8_t kFixStr = 0xA0;
  constexpr uint8_t kStr8 = 0xD9;
  constexpr uint8_t kWireTypeLength = 2;
  if (begin < 2) return 0;
  const auto length = static_cast<uint8_t>(text[begin - 1]);
  const auto before = static_cast<uint8_t>(text[begin - 2]);
  if ((length & 0xE0) == kFixStr) {
    const size_t fixed = length & 0x1F;
    // Not the end of a letter in UTF-8, nor of more digits than a number has.
    return (before >= 0xC2 && before < 0xF5) || fixed > kDigitsMax ? 0 : fixed;
  }
  const bool is_string = before == kStr8 || (before & 7) == kWireTypeLength;
  return length <= kDigitsMax && is_string ? length : 0;
}

}  // namespace

// Sizes of groups that numbers are printed in; 0 fills up.
struct NumberFinder::Grouping {
  std::array<uint8_t, 5> sizes{};
  uint8_t groups = 0;
  uint8_t digits = 0;
};

// Longest first. Which brand prints which is for the brand table to say, whose groups are these.
const NumberFinder::Grouping NumberFinder::kGroupings[] = {
    {{4, 4, 4, 4, 3}, 5, 19}, {{6, 13}, 2, 19},      {{4, 4, 4, 4, 2}, 5, 18},
    {{4, 4, 4, 4, 1}, 5, 17}, {{4, 4, 4, 4}, 4, 16}, {{4, 6, 5}, 3, 15},
    {{4, 5, 6}, 3, 15},       {{4, 4, 4, 3}, 4, 15}, {{4, 6, 4}, 3, 14},
    {{4, 4, 4, 2}, 4, 14},    {{4, 4, 4, 1}, 4, 13}, {{4, 3, 3, 3}, 4, 13},
    {{4, 4, 5}, 3, 13},       {{4, 4, 4}, 3, 12},
};

struct NumberFinder::Groups {
  static constexpr size_t kMax = 32;
  // A number and the groups on both sides that bear on it.
  static constexpr size_t kLookAhead = 7;

  std::array<Group, kMax> group;
  size_t count = 0;
  // The groups before this are part of a number that was handed over, or were passed over.
  size_t next = 0;
  // One past the last group of the number that was handed over last, when it was no slice of a
  // longer row; 0 before the first.
  size_t taken_end = 0;
};

size_t NumberFinder::DigitsIn(const Groups& groups) {
  size_t digits = 0;
  for (size_t i = 0; i < groups.count; ++i) digits += groups.group[i].digits;
  return digits;
}

NumberFinder::Group NumberFinder::ReadGroup(std::string_view text, size_t at, uint16_t separator) {
  Group group = {.begin = at, .end = at, .digits = 0, .separator = separator};
  while (true) {
    while (group.end < text.size() && IsAsciiDigit(text[group.end])) {
      ++group.end;
      ++group.digits;
    }
    if (group.end >= text.size() || static_cast<unsigned char>(text[group.end]) < 0x80) {
      return group;
    }
    const DigitSymbol digit = WideDigitAt(text, group.end);
    if (digit.bytes == 0) return group;
    group.end += digit.bytes;
    ++group.digits;
  }
}

size_t NumberFinder::FindInChain(std::string_view text, size_t at, Sink sink) const {
  Groups groups;
  size_t position = ChainBegin(text, at);
  uint16_t separator = 0;
  bool more = true;
  // A chain that begins after `at` was the tail of an escape.
  if (DigitAt(text, position).bytes == 0) return std::max(at + 1, position);
  while (more) {
    while (groups.count < Groups::kMax) {
      const Group group = ReadGroup(text, position, separator);
      groups.group[groups.count++] = group;
      position = group.end;
      const SeparatorSymbol next = SeparatorAt(text, position);
      more = next.bytes > 0 && DigitAt(text, position + next.bytes).bytes > 0;
      if (!more) break;
      position += next.bytes;
      separator = next.kind;
    }
    // Most chains are times and versions, too short for a number.
    if (!more && groups.taken_end == 0 && groups.next == 0 && DigitsIn(groups) < kDigitsMin) break;
    const size_t decided = more ? groups.count - Groups::kLookAhead : groups.count;
    while (groups.next < decided) {
      size_t taken = FindGrouped(text, groups, groups.next, sink);
      if (taken == 0) taken = FindUngrouped(text, groups, groups.next, sink);
      if (taken == 0) FindOddlyGrouped(text, groups, groups.next, sink);
      groups.next += std::max<size_t>(taken, 1);
    }
    if (more) {
      // One group that is decided stays, as the neighbour of the next.
      const size_t keep_from = std::min(groups.next, groups.count) - 1;
      std::copy(groups.group.begin() + keep_from, groups.group.begin() + groups.count,
                groups.group.begin());
      groups.count -= keep_from;
      groups.next -= keep_from;
      groups.taken_end -= std::min(groups.taken_end, keep_from);
    }
  }
  return std::max(position, at + 1);
}

size_t NumberFinder::FindGrouped(std::string_view text, Groups& groups, size_t index,
                                 Sink sink) const {
  const Group* group = &groups.group[index];
  const size_t available = groups.count - index;
  if (available < 2 || (group[0].digits != 4 && group[0].digits != 6)) return 0;
  const uint16_t separator = group[1].separator;
  for (const Grouping& grouping : kGroupings) {
    if (grouping.groups > available || grouping.sizes[0] != group[0].digits) continue;
    bool fits = true;
    for (size_t i = 1; i < grouping.groups && fits; ++i) {
      fits = group[i].digits == grouping.sizes[i] && group[i].separator == separator;
    }
    if (!fits) continue;
    // `4111 1111 1111 1111 12/25`: the last group is the month of an expiry date.
    if (grouping.groups == 5 && available > 5 && group[4].digits == 2 &&
        group[5].separator != separator && !IsBlank(group[5].separator) &&
        (group[5].digits == 2 || group[5].digits == 4)) {
      continue;
    }
    Candidate candidate;
    candidate.begin = group[0].begin;
    candidate.end = group[grouping.groups - 1].end;
    for (size_t i = 0; i < grouping.groups; ++i) TakeDigits(text, group[i], candidate);
    if (!Verify(candidate)) continue;
    candidate.shape = candidate.brand.Prints({grouping.sizes.data(), grouping.groups})
                          ? Shape::kBrandGroups
                          : Shape::kFours;
    if (!IsWhole(text, groups, index, index + grouping.groups - 1, candidate)) continue;
    sink(candidate);
    // Without a check digit it may be nothing, and shorter groups something.
    if (!candidate.luhn_valid || candidate.brand.luhn == LuhnRule::kNone) continue;
    if (!candidate.in_longer_run) groups.taken_end = index + grouping.groups;
    return grouping.groups;
  }
  return 0;
}

size_t NumberFinder::FindUngrouped(std::string_view text, Groups& groups, size_t index,
                                   Sink sink) const {
  const Group& group = groups.group[index];
  if (const size_t prefix = PrefixedLength(text, group.begin);
      prefix >= kDigitsMin && prefix <= kDigitsMax && prefix < group.digits) {
    return FindPrefixed(text, groups, index, prefix, sink);
  }
  if (group.digits < kDigitsMin || group.digits > kDigitsMax) return 0;
  const DigitSymbol first = DigitAt(text, group.begin);
  const DigitSymbol second = DigitAt(text, group.begin + first.bytes);
  if (!brands_.Possible(first.value, second.value, group.digits)) return 0;
  Candidate candidate;
  candidate.begin = group.begin;
  candidate.end = group.end;
  TakeDigits(text, group, candidate);
  if (!Verify(candidate) || IsTailOfTrack(text, candidate.begin) ||
      !IsWhole(text, groups, index, index, candidate)) {
    return 0;
  }
  sink(candidate);
  groups.taken_end = index + 1;
  return 1;
}

size_t NumberFinder::FindPrefixed(std::string_view text, const Groups& groups, size_t index,
                                  size_t length, Sink sink) const {
  Group group = groups.group[index];
  group.end = group.begin + length;
  group.digits = static_cast<uint32_t>(length);
  Candidate candidate;
  candidate.begin = group.begin;
  candidate.end = group.end;
  TakeDigits(text, group, candidate);
  // What follows is another field.
  if (!Verify(candidate) || !IsWhole(text.substr(0, group.end), groups, index, index, candidate)) {
    return 0;
  }
  sink(candidate);
  return 1;
}

void NumberFinder::FindOddlyGrouped(std::string_view text, const Groups& groups, size_t index,
                                    Sink sink) const {
  constexpr size_t kOddGroupsMax = 5;
  const Group* group = &groups.group[index];
  const size_t available = groups.count - index;
  if (available < 2 || group[0].separator == group[1].separator) return;
  const uint16_t separator = group[1].separator;
  size_t count = 1;
  size_t digits = group[0].digits;
  while (count < available && group[count].separator == separator && digits <= kDigitsMax) {
    digits += group[count++].digits;
  }
  if (count > kOddGroupsMax || digits <= kDigitsMin || digits > kDigitsMax) return;
  if (std::any_of(group, group + count, [](const Group& g) { return g.digits < 2; })) return;
  Candidate candidate;
  candidate.begin = group[0].begin;
  candidate.end = group[count - 1].end;
  candidate.shape = Shape::kOddGroups;
  for (size_t i = 0; i < count; ++i) TakeDigits(text, group[i], candidate);
  if (Verify(candidate) && candidate.luhn_valid &&
      IsWhole(text, groups, index, index + count - 1, candidate)) {
    sink(candidate);
  }
}

void NumberFinder::TakeDigits(std::string_view text, const Group& group, Candidate& candidate) {
  size_t at = group.begin;
  // Most are of ASCII.
  while (at < group.end && candidate.size < kDigitsMax && IsAsciiDigit(text[at])) {
    candidate.digits[candidate.size++] = static_cast<uint8_t>(text[at++] - '0');
  }
  while (at < group.end && candidate.size < kDigitsMax) {
    const DigitSymbol digit = DigitAt(text, at);
    candidate.digits[candidate.size++] = digit.value;
    at += digit.bytes;
  }
}

bool NumberFinder::Verify(Candidate& candidate) const {
  if (!brands_.Possible(candidate.digits[0], candidate.digits[1], candidate.size)) return false;
  candidate.luhn_valid = LuhnValid(candidate.span());
  candidate.brand = brands_.Find(candidate.span(), candidate.luhn_valid);
  return candidate.brand.found();
}

bool NumberFinder::IsTailOfTrack(std::string_view text, size_t begin) const {
  TrackDigits number;
  if (!ReadNumberOfTrackBefore(text, begin, number) || number.size < kDigitsMin) return false;
  if (!brands_.Possible(number.values[0], number.values[1], number.size)) return false;
  return LuhnValid(number.span()) && brands_.Find(number.span(), /*luhn_valid=*/true).found();
}

bool NumberFinder::NumberFollows(std::string_view text, const Groups& groups, size_t index) const {
  constexpr size_t kFours = 4;
  if (groups.count - index < kFours) return false;
  Candidate candidate;
  for (size_t i = 0; i < kFours; ++i) {
    if (groups.group[index + i].digits != 4) return false;
    TakeDigits(text, groups.group[index + i], candidate);
  }
  return Verify(candidate) && candidate.luhn_valid;
}

bool NumberFinder::ExpiryFollows(std::string_view text, const Groups& groups, size_t last) const {
  const RecordTail tail = ReadRecordTail(text, groups.group[last].end);
  if (!tail.expiry) return false;
  size_t next = last + 1;
  while (next < groups.count && groups.group[next].begin < tail.end) ++next;
  // A row that goes on is a row, unless the next number begins there.
  return next == groups.count || groups.group[next].separator != groups.group[last + 1].separator ||
         NumberFollows(text, groups, next);
}

bool NumberFinder::IsWhole(std::string_view text, const Groups& groups, size_t first, size_t last,
                           Candidate& candidate) const {
  const Neighbour before = NeighbourBefore(text, candidate.begin);
  const Neighbour after = NeighbourAfter(text, candidate.end);
  const auto is_digit = [](uint32_t code) { return code >= '0' && code <= '9'; };
  const auto is_letter = [](uint32_t code) {
    return code < 0x80 && IsAsciiLetter(static_cast<char>(code));
  };
  // An escaped digit: the number goes on, which is seen when the escapes are undone.
  if (is_digit(before.code) || is_digit(after.code)) return false;

  // Decimal fractions and exponents.
  if (before.code == '.') {
    // `No.4111...` and `...4111...`, but not `L.4111...` of a drawing's path.
    const size_t dot = candidate.begin - before.bytes;
    const Neighbour further = NeighbourBefore(text, dot);
    const bool after_word =
        further.code == '.' ||
        (is_letter(further.code) && is_letter(NeighbourBefore(text, dot - further.bytes).code));
    if (!after_word) return false;
  }
  if (after.code == '.' && IsAsciiDigit(NeighbourAfter(text, candidate.end + after.bytes).code)) {
    return false;
  }
  if (!after.escaped() && IsExponent(text, candidate.end)) return false;

  const bool letter_before = !before.escaped() && is_letter(before.code);
  const bool letter_after = !after.escaped() && is_letter(after.code);
  if (letter_before || letter_after) {
    const bool track2 = letter_after && !letter_before && IsTrack2Delimiter(text, candidate.end);
    const bool track1 = letter_before && (before.code | 0x20) == 'b' && after.code == '^';
    if (!track1 && !track2) {
      if (InHexWord(text, candidate.begin, candidate.end)) return false;
      candidate.beside_letter = true;
    }
  }
  if ((before.code == '-' || after.code == '-') && InUuid(text, candidate.begin, candidate.end)) {
    return false;
  }

  // Groups like its own on either side, unless they are numbers themselves.
  if (first != last) {
    const uint16_t own = groups.group[first + 1].separator;
    const auto continues = [&](uint16_t separator, uint32_t digits) {
      return separator == own && (digits == 4 || !IsBlank(own));
    };
    const Group* group = groups.group.data();
    if (first > 0 && first != groups.taken_end &&
        continues(group[first].separator, group[first - 1].digits)) {
      candidate.in_longer_run = true;
    }
    if (last + 1 < groups.count && continues(group[last + 1].separator, group[last + 1].digits) &&
        !NumberFollows(text, groups, last + 1) && !ExpiryFollows(text, groups, last)) {
      candidate.in_longer_run = true;
    }
  }

  const uint32_t sign = before.code;
  if (sign == '-' || sign == '+' || sign == '#' || sign == '$') {
    const Neighbour further = NeighbourBefore(text, candidate.begin - before.bytes);
    const bool glued = is_letter(further.code) || is_digit(further.code) || further.code == ')' ||
                       further.code == ']';
    // `+` also stands for a space in forms, after `=` and the like.
    candidate.has_sign = sign != '+' ? !glued || sign == '#' : further.code != '=';
    if (sign == '+' && glued) candidate.has_sign = false;
  }
  return true;
}

}  // namespace skimwatch::card
