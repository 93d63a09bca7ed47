#ifndef SKIMWATCH_AGENT_CARD_TRACK_H_
#define SKIMWATCH_AGENT_CARD_TRACK_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::card {

enum class Track : uint8_t { kNone, kOne, kTwo };

// Whether the number at [begin, end) of `text` is part of magnetic-stripe data (ISO/IEC 7813):
//   track 1   %B<PAN>^<name>^<YYMM><service code>...?
//   track 2   ;<PAN>=<YYMM><service code>...?     also with `D` for `=`, as in EMV tag 57
// Sentinels may be missing where the rest leaves no doubt: a track 1 needs both `^`, the expiry
// date and the service code; a track 2 without any sentinel needs eight digits after the separator.
Track TrackAround(std::string_view text, size_t begin, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_TRACK_H_
