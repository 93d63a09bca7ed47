#ifndef SKIMWATCH_AGENT_CARD_LUHN_H_
#define SKIMWATCH_AGENT_CARD_LUHN_H_

#include <cstdint>

#include "absl/types/span.h"

namespace skimwatch::card {

// Whether the last of `digits` is the check digit of the others (ISO/IEC 7812-1, annex B): counted
// from the right, every second digit is doubled, 9 is taken off what exceeds 9, and the sum is a
// multiple of ten. False for fewer than two digits. `digits` are values 0 to 9.
bool LuhnValid(absl::Span<const uint8_t> digits);

// The digit that makes `digits` followed by it pass LuhnValid.
uint8_t LuhnCheckDigit(absl::Span<const uint8_t> digits);

// Whether the last of 13 or 14 `digits` is right for a GTIN (EAN-13, GTIN-14): counted from the
// right, weights 1 and 3 alternate. One number in ten passes both this and LuhnValid.
bool GtinValid(absl::Span<const uint8_t> digits);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_LUHN_H_
