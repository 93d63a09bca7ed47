#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_CARD_REDACTION_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_CARD_REDACTION_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::script {

// A script's text as it may be kept, compared and shown.
struct RedactedText {
  // As long as the original, so that offsets hold in both; card numbers are `*`.
  std::string text;
  // Where the numbers began that are worth a fact, in order.
  std::vector<size_t> card_offsets;
};

// Takes the card numbers out of `text`. What is judged by its digits alone (the check that every
// finding passes before it leaves the agent) is taken out as well, so that no finding is refused
// for what a script holds. Thread-safe; linear.
RedactedText RedactCards(std::string_view text);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_CARD_REDACTION_H_
