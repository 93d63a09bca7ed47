#ifndef SKIMWATCH_AGENT_CARD_MASK_H_
#define SKIMWATCH_AGENT_CARD_MASK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/card/secret_digits.h"

namespace skimwatch::card {

class BrandTable;

// How much of a number is shown. PCI DSS 4.0.1, 3.4.1 (on screens) and 3.5.1 (where it is stored):
// at most the BIN and the last four. First six and last four is right for every brand.
//
// One number that is kept in two of these formats is kept with fewer digits missing than in either,
// so all programs whose output may meet should be set to the same one.
enum class MaskStyle : uint8_t {
  kFirst6Last4,
  // Where the issuer's number has eight digits and the card's at least sixteen; else first six and
  // last four.
  kFirst8Last4,
  kLast4,
  kNone,
};

// The style of a name, `first6last4`, `first8last4`, `last4` or `none`; nothing for any other.
std::optional<MaskStyle> MaskStyleOf(std::string_view name);

// `411111******1111`, `41111111****1111`, `************1111` or `****************`. `iin_digits` is
// BrandMatch::iin_digits.
std::string Mask(const SecretDigits& digits, MaskStyle style, uint8_t iin_digits = 6);

// A copy of `text` in which every card number of any confidence and encoding is replaced by `*` of
// the same length, for text that is shown: differences of scripts, excerpts, paths, names. Also
// replaced are groups of a number with up to eight bytes of anything between, and lists of
// character codes. The scanner finds nothing in the copy.
std::string RedactCardNumbers(std::string_view text);

// The brands whose numbers are taken out of shown text: those that the process looks for. Where a
// table of the configuration takes the place of BrandTable::Default(), it is set here before the
// first thread starts, so that no text shows what the scan finds; `brands` must live as long as the
// process. Reading is thread-safe.
void SetRedactionBrands(const BrandTable& brands);
const BrandTable& RedactionBrands();

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_MASK_H_
