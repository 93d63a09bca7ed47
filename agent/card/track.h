#ifndef SKIMWATCH_AGENT_CARD_TRACK_H_
#define SKIMWATCH_AGENT_CARD_TRACK_H_

#include <string.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "agent/card/secret_digits.h"

namespace skimwatch::card {

enum class Track : uint8_t { kNone, kOne, kTwo };

// Whether the number at [begin, end) of `text` is part of magnetic-stripe data (ISO/IEC 7813):
//   track 1   %B<PAN>^<name>^<YYMM><service code>...?
//   track 2   ;<PAN>=<YYMM><service code>...?     also with `D` for `=`, as in EMV tag 57
// Sentinels may be missing where the rest leaves no doubt: a track 1 needs both `^`, the expiry
// date and the service code; a track 2 without any sentinel needs eight digits after the separator.
// A separator in the place of the expiry date or the service code says that the card has none; it
// is read so after `B`, and within `;` and `?`.
Track TrackAround(std::string_view text, size_t begin, size_t end);

// The digits that a track opens with.
struct TrackDigits {
  std::array<uint8_t, SecretDigits::kMax> values{};
  uint8_t size = 0;

  TrackDigits() = default;
  ~TrackDigits() { explicit_bzero(values.data(), values.size()); }
  TrackDigits(const TrackDigits&) = delete;
  TrackDigits& operator=(const TrackDigits&) = delete;
  absl::Span<const uint8_t> span() const { return {values.data(), size}; }
};

// Reads what would be the number of the track when the digits from `begin` of `text` on are its
// expiry date, service code and discretionary data: those before `=`, or before `^<name>^`, escapes
// undone. False when no such thing stands before, or when the digits are no expiry date (year to
// 2049) and service code. Whether the number is one is for the caller to say.
bool ReadNumberOfTrackBefore(std::string_view text, size_t begin, TrackDigits& number);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_TRACK_H_
