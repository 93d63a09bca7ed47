#ifndef SKIMWATCH_AGENT_CARD_MASK_H_
#define SKIMWATCH_AGENT_CARD_MASK_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/card/secret_digits.h"

namespace skimwatch::card {

// How much of a number is shown. PCI DSS 4.0.1, 3.4.1: at most the BIN and the last four; first six
// and last four is right for every brand.
enum class MaskStyle : uint8_t { kFirst6Last4, kLast4, kNone };

// `411111******1111`, `************1111` or `****************`.
std::string Mask(const SecretDigits& digits, MaskStyle style);

// A copy of `text` in which every card number of any confidence and encoding is replaced by `*` of
// the same length, for text that is shown: differences of scripts, excerpts, paths, names. Also
// replaced are groups of a number with up to eight bytes of anything between, and lists of character
// codes. The scanner finds nothing in the copy.
std::string RedactCardNumbers(std::string_view text);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_MASK_H_
