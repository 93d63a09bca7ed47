#include "agent/card/track.h"

#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kNameBytesMin = 2;
constexpr size_t kNameBytesMax = 26;
constexpr size_t kNumberBytesMax = 40;

size_t CountDigits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && IsAsciiDigit(text[count])) ++count;
  return count;
}

// Expiry date YYMM and a service code of three digits.
bool BeginsWithExpiryAndServiceCode(std::string_view text) {
  constexpr size_t kDigits = 7;
  if (CountDigits(text.substr(0, kDigits)) < kDigits) return false;
  const int month = (text[2] - '0') * 10 + (text[3] - '0');
  return month >= 1 && month <= 12;
}

// The service codes of ISO/IEC 7813: the first digit is 1, 2, 5, 6, 7 or 9, the second 0, 2 or 4,
// the third 0 to 7.
bool IsServiceCode(std::string_view digits) {
  return std::string_view("125679").find(digits[0]) != std::string_view::npos &&
         std::string_view("024").find(digits[1]) != std::string_view::npos && digits[2] <= '7';
}

// The same where `separator` stands for an expiry date or a service code that the card has not.
bool BeginsWithAbsentFields(std::string_view text, char separator) {
  if (text.empty()) return false;
  size_t at = 1;
  if (text[0] != separator) {
    constexpr size_t kExpiry = 4;
    if (CountDigits(text.substr(0, kExpiry)) < kExpiry) return false;
    const int month = (text[2] - '0') * 10 + (text[3] - '0');
    if (month < 1 || month > 12) return false;
    at = kExpiry;
  }
  if (at < text.size() && text[at] == separator) return true;
  return text[0] == separator && text.size() - at >= 3 && CountDigits(text.substr(at, 3)) == 3 &&
         IsServiceCode(text.substr(at, 3));
}

bool IsTrack1Tail(std::string_view text, bool opened) {
  for (size_t i = 0; i < text.size() && i <= kNameBytesMax; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '^') {
      const std::string_view rest = text.substr(i + 1);
      return i >= kNameBytesMin && (BeginsWithExpiryAndServiceCode(rest) ||
                                    (opened && BeginsWithAbsentFields(rest, '^')));
    }
    if (c < 0x20 || c == '?' || c == '=') return false;
  }
  return false;
}

}  // namespace

Track TrackAround(std::string_view text, size_t begin, size_t end) {
  if (end >= text.size()) return Track::kNone;
  const std::string_view tail = text.substr(end + 1);
  const char delimiter = text[end];
  if (delimiter == '^') {
    const bool opened = begin > 0 && (text[begin - 1] | 0x20) == 'b';
    return IsTrack1Tail(tail, opened) ? Track::kOne : Track::kNone;
  }
  if (delimiter != '=' && (delimiter | 0x20) != 'd') return Track::kNone;
  constexpr size_t kDigitsWithoutSentinel = 8;
  const size_t digits = CountDigits(tail);
  const bool opened = begin > 0 && text[begin - 1] == ';';
  if (!BeginsWithExpiryAndServiceCode(tail)) {
    constexpr size_t kTailMax = 24;
    const std::string_view rest = tail.substr(0, kTailMax);
    const size_t end_sentinel = rest.find_first_not_of("0123456789=");
    const bool whole = end_sentinel != std::string_view::npos && rest[end_sentinel] == '?';
    return opened && whole && BeginsWithAbsentFields(tail, '=') ? Track::kTwo : Track::kNone;
  }
  const bool closed = digits < tail.size() && tail[digits] == '?';
  const bool is_track = opened || closed || digits >= kDigitsWithoutSentinel;
  return is_track ? Track::kTwo : Track::kNone;
}

bool ReadNumberOfTrackBefore(std::string_view text, size_t begin, TrackDigits& number) {
  number.size = 0;
  // Most have something else before them than `=` and `^`, or the end of an escape.
  if (begin == 0 ||
      !(text[begin - 1] == '=' || text[begin - 1] == '^' || MayEndEscape(text[begin - 1]))) {
    return false;
  }
  if (!BeginsWithExpiryAndServiceCode(text.substr(begin)) || text[begin] > '4') return false;
  Neighbour delimiter = NeighbourBefore(text, begin);
  size_t at = begin - delimiter.bytes;
  if (delimiter.code == '^') {
    size_t name_bytes = 0;
    while (true) {
      delimiter = NeighbourBefore(text, at);
      at -= delimiter.bytes;
      if (delimiter.code == '^') break;
      const bool in_name = delimiter.code >= 0x20 && delimiter.code != '?' && delimiter.code != '=';
      if (!in_name || ++name_bytes > kNameBytesMax) return false;
    }
    if (name_bytes < kNameBytesMin) return false;
  } else if (delimiter.code != '=') {
    return false;
  }
  const size_t end = at;
  while (at > 0 && end - at < kNumberBytesMax) {
    if (IsAsciiDigit(text[at - 1])) {
      --at;
      continue;
    }
    // Track 1 may hold the number in groups.
    const Neighbour space = NeighbourBefore(text, at);
    if (space.code != ' ' || delimiter.code != '^' || at == end) break;
    at -= space.bytes;
  }
  // `%224111...` begins at the 4; `%B4` is the opening of track 1 before `^`.
  const bool opens = at >= 2 && text[at - 2] == '%' && (text[at - 1] | 0x20) == 'b';
  if (!opens || delimiter.code != '^') at = SkipEscapeTail(text, at);
  while (at < end) {
    if (IsAsciiDigit(text[at])) {
      if (number.size == number.values.size()) return false;
      number.values[number.size++] = static_cast<uint8_t>(text[at] - '0');
      ++at;
    } else {
      at += NeighbourAfter(text, at).bytes;
    }
  }
  return number.size > 0;
}

}  // namespace skimwatch::card
