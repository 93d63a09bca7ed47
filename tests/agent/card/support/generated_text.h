#ifndef SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_GENERATED_TEXT_H_
#define SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_GENERATED_TEXT_H_

#include <string>

#include "tests/agent/card/support/numbers.h"

namespace skimwatch::testing {

// Text made at random of what a scanner meets and what could mislead it, and how it was made.
struct GeneratedText {
  std::string bytes;
  // The pieces in order, such as `word number-plain base64(number-grouped)`; without any digits, so
  // that a failure can print it.
  std::string recipe;
};

// Numbers and near misses in every shape, field names, dates, tracks, identifiers, signs, bytes of
// any value, and all that in encodings, up to `depth` one within another. Most texts are shorter
// than `bytes`.
GeneratedText GenerateText(Random& random, size_t bytes, int depth);

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_GENERATED_TEXT_H_
