#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_CARD_WORDS_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_CARD_WORDS_H_

#include <string_view>

namespace skimwatch::script {

// Whether a name or selector is of a card's number, date, code or holder, as forms, autocomplete
// (HTML, 4.10.18.7) and the common shops name them: `#card-number`, `payment[cc_cid]`, `cvv`.
// Prose and names of icons (`fa-credit-card`) are not. Linear.
bool NamesCardField(std::string_view text);

// Whether a selector takes a form's fields whatever their names: `input`, `form *`, `:input`.
bool SelectsFields(std::string_view selector);

// Whether a regular expression, as it stands between its slashes, is one for card numbers: it
// matches published test numbers of several brands or one brand's, and neither shorter nor other
// digits. Found by trying it.
bool MatchesCards(std::string_view pattern);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_CARD_WORDS_H_
