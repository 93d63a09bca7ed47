#ifndef SKIMWATCH_AGENT_CARD_NUMBER_ROWS_H_
#define SKIMWATCH_AGENT_CARD_NUMBER_ROWS_H_

#include <cstddef>
#include <string_view>

namespace skimwatch::card {

// Whether the groups at [begin, end) of `text` are a row of a table of four-digit numbers: they
// fill a line as 4-4-4-4 with one ASCII separator, and so does the line before or after, whose
// digits fail the Luhn test. In a list of card numbers every line passes it.
//
// A line may hold more: with further groups of four after the number, some four in a row of them
// that fail are enough, unless an expiry date comes first.
bool IsRowOfNumbers(std::string_view text, size_t begin, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_NUMBER_ROWS_H_
