#ifndef SKIMWATCH_AGENT_CARD_TEST_NUMBERS_H_
#define SKIMWATCH_AGENT_CARD_TEST_NUMBERS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace skimwatch::card {

// Whether a payment company published this number for testing, so that no account is behind it: a
// row of agent/card/test_numbers.tsv, which names who published it.
// `digits` are values 0 to 9, at most 19.
bool IsTestNumber(absl::Span<const uint8_t> digits);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_TEST_NUMBERS_H_
