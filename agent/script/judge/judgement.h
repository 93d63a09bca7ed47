#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_JUDGEMENT_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_JUDGEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// What is known of a change when it is judged.
struct Evidence {
  v1::ScriptChange::Change change = v1::ScriptChange::CHANGE_UNSPECIFIED;
  // Of the current version, of behaviour and rules (behaviour.h), and what of it is new. For an
  // added script everything is.
  std::vector<v1::ScriptFact> facts;
  std::vector<v1::ScriptFact> gained;
  // Hosts of gained destinations that the version before does not name anywhere.
  absl::flat_hash_set<std::string> new_hosts;
  // Hosts that its text names and the version before does not, whatever it does with them.
  std::vector<std::string> named_hosts;
  v1::ScriptLikeness likeness;
  // Of the bytes of the version before, those that still stand at the beginning and the end.
  uint32_t kept_percent = 0;
  // Rules of the users' or ours that match now, did not before, and call that critical.
  std::vector<std::string> critical_rules;
};

struct Judgement {
  v1::Severity severity = v1::SEVERITY_HIGH;
  // Gravest first, in words for people, printable, at most 32 of at most 240 bytes.
  std::vector<std::string> reasons;
};

// How grave a change is by what the script does that it did not do before:
//
//   critical  it learnt to take card data and has a new way out; its way out is hidden; it takes
//             what is typed and sends it to a host never seen; it loads code from such a host; it
//             runs decoded text; it hides in an obfuscator's table, or from developer tools or from
//             all but search engines' visitors, and sends or listens
//   high      one of these parts alone; or it names a host never seen and knows cards
//   medium    new sinks, listeners or reads without card data or new hosts; or it names a host
//             never seen; or hardly a function is as before and the text is another
//   low       nothing of that is new: a rebuilt bundle, a version bump
//
// How much of the text changed does not count. Of proposed, restored and removed scripts the
// verdict is that of verdict.h.
Judgement GradeByBehaviour(const Evidence& evidence);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_JUDGEMENT_H_
