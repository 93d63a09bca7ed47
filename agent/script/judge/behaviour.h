#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_BEHAVIOUR_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_BEHAVIOUR_H_

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "agent/script/judge/cpu_time.h"
#include "agent/script/judge/syntax_tree.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

struct BehaviourLimits {
  // Nothing is read after it.
  absl::Time deadline = absl::InfiniteFuture();
  std::function<absl::Time()> now = ThreadCpuTime;
  // Facts beyond are left out.
  size_t facts_max = 20'000;
};

// What is missing of a script's behaviour.
struct BehaviourLeftOut {
  // The deadline passed.
  bool is_late = false;
  // A bound of the evaluator's for the whole script was reached.
  bool constants = false;
  // There were more facts than `facts_max`.
  bool facts = false;
};

// What a script does, read from its syntax and its constants (constant_evaluator.h):
//
// clang-format off
//   card_field_read      a card's field is looked up: `#card-number`
//   card_field_known     a name of a card's field, anywhere else
//   form_read            fields are taken whatever their names: `input`, FormData, document.forms
//   input_listener       a listener on what is typed, sent or clicked: `submit on #payment`
//   sink                 a way out: `fetch`, `XMLHttpRequest`, `img.src`, `script.src`, `form.action`
//   destination          the host that a way out leads to: `a.example by fetch`
//   hidden_destination   one that does not stand in the text, but is decoded or put together
//   hidden_text          text of use to a skimmer that does not stand in the script
//   storage_read         cookies and web storage
//   overlay              form fields or frames that a script puts into the page
//   anti_debugging       traps for debuggers and looks at whether developer tools are open
//   evasion              looks at the referrer's search engine or at automation
//   code_from_text       `eval`, `Function`, timers with text; says whether it was decoded
//   obfuscator           marks that obfuscators leave, and constants beyond the evaluator's bounds
//   card_pattern         a regular expression that matches card numbers
//   luhn_structure       the check digit's arithmetic in one function, or its table
//   checkout_check       a checkout's path
// clang-format on
//
// Excerpts hold no local names, no positions and no spelling, so that a rebuilt bundle has the same
// facts; `count` says how often. They are printable and free of card numbers, at most
// FactFinder::kExcerptBytesMax. In order of offset.
//
// Text that a script gives to `eval` is looked into as well when it is known, within the same
// limits. `tree` should be of text without card numbers (card_redaction.h). Thread-safe; about
// linear.
std::vector<v1::ScriptFact> FindBehaviour(const SyntaxTree& tree,
                                          const BehaviourLimits& limits = {},
                                          BehaviourLeftOut* left_out = nullptr);

// Facts that `current` has and `previous` has not, or more often.
std::vector<v1::ScriptFact> GainedBehaviour(const std::vector<v1::ScriptFact>& previous,
                                            const std::vector<v1::ScriptFact>& current);

// Whether a fact's name is one of those above.
bool IsBehaviour(std::string_view name);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_BEHAVIOUR_H_
