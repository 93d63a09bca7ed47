#include "agent/card/track.h"

#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kNameBytesMin = 2;
constexpr size_t kNameBytesMax = 26;

size_t CountDigits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && IsAsciiDigit(text[count])) ++count;
  return count;
}

// Expiry date YYMM and a service code of three digits (ISO/IEC 7813: the first is 1, 2, 5, 6, 7 or
// 9, the second 0, 2 or 4).
bool BeginsWithExpiryAndServiceCode(std::string_view text) {
  constexpr size_t kDigits = 7;
  if (CountDigits(text.substr(0, kDigits)) < kDigits) return false;
  const int month = (text[2] - '0') * 10 + (text[3] - '0');
  return month >= 1 && month <= 12;
}

bool IsTrack1Tail(std::string_view text) {
  for (size_t i = 0; i < text.size() && i <= kNameBytesMax; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '^') return i >= kNameBytesMin && BeginsWithExpiryAndServiceCode(text.substr(i + 1));
    if (c < 0x20 || c == '?' || c == '=') return false;
  }
  return false;
}

}  // namespace

Track TrackAround(std::string_view text, size_t begin, size_t end) {
  if (end >= text.size()) return Track::kNone;
  const std::string_view tail = text.substr(end + 1);
  const char delimiter = text[end];
  if (delimiter == '^') return IsTrack1Tail(tail) ? Track::kOne : Track::kNone;
  if (delimiter != '=' && (delimiter | 0x20) != 'd') return Track::kNone;
  if (!BeginsWithExpiryAndServiceCode(tail)) return Track::kNone;
  constexpr size_t kDigitsWithoutSentinel = 8;
  const size_t digits = CountDigits(tail);
  const bool opened = begin > 0 && text[begin - 1] == ';';
  const bool closed = digits < tail.size() && tail[digits] == '?';
  const bool is_track = opened || closed || digits >= kDigitsWithoutSentinel;
  return is_track ? Track::kTwo : Track::kNone;
}

}  // namespace skimwatch::card
