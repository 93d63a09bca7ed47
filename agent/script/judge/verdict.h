#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_VERDICT_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_VERDICT_H_

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// How grave `change` is, from what changed and from the facts that it gained: a proposal or a
// return to approved bytes is information; an unapproved change is high, and critical where it
// gained a way to recognise card numbers or card fields and can send data away, or could recognise
// them before and gained a way to send together with another host or an encoding to send in. An
// added script is judged by its own facts: critical where it recognises and sends, high where it
// recognises, hides what it does, or is fetched from a host that nothing known names, else medium.
// A removed one is low.
v1::Severity Verdict(const v1::ScriptChange& change);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_VERDICT_H_
