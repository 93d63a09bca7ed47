#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_CARDS_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_CARDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::integration {

// The card numbers that a test plants: 16 digits of one Visa range, valid by Luhn, without a
// pattern from one to the next. A test speaks of a card by its index; the number itself never
// stands in a failure's text.
std::string CardNumber(size_t index);

// The digits as values, for a fingerprint.
std::vector<uint8_t> CardDigits(size_t index);

// Indices below `cards` whose number stands in `bytes`: as digits, or inside of base64 (either
// alphabet, at any alignment).
std::vector<size_t> CardsIn(std::string_view bytes, size_t cards);

// `<file>: card <index>` for every number below `cards` that stands in a file below `folder`.
std::vector<std::string> LeaksBelow(const std::string& folder, size_t cards);

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_CARDS_H_
