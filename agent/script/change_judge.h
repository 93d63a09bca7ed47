#ifndef SKIMWATCH_AGENT_SCRIPT_CHANGE_JUDGE_H_
#define SKIMWATCH_AGENT_SCRIPT_CHANGE_JUDGE_H_

#include <string>
#include <vector>

#include "agent/script/approvals.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/judge/script_references.h"
#include "agent/script/version_store.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

struct JudgedChange {
  // That the text names, at most 64, in lower case.
  std::vector<std::string> hosts;
  // Not set for a reference, whose facts decide.
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
};

// Judges a change whose kind, current and previous version are set: keeps the current version's
// text and facts, compares them with those of the previous version where that is kept, and sets
// facts, what was gained of them, behaviour, reasons and differences. Where the script has a
// behaviour profile, an added or changed version is judged by that (profile_check.h). `reference`
// is null unless `text` is that of one. Of a script without a version before, hosts that
// `knows_host` are not new (ScriptJudge::Judge). Thread-safe.
JudgedChange JudgeChange(const ScriptJudge& judge, VersionStore& versions, const std::string& name,
                         const std::string& text, const ScriptReference* reference,
                         const Standing& standing, v1::ScriptChange& change,
                         const ScriptJudge::KnowsHost& knows_host = {});

// What a version does that was told of before, as CHANGE_TAKEN_APART: `change` has its script, page
// and current version. Where its text is not kept, that is what it says.
void TakeApart(const ScriptJudge& judge, VersionStore& versions, v1::ScriptChange& change);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_CHANGE_JUDGE_H_
