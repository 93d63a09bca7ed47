#ifndef SKIMWATCH_AGENT_SCRIPT_PROFILE_CHECK_H_
#define SKIMWATCH_AGENT_SCRIPT_PROFILE_CHECK_H_

#include <vector>

#include "agent/script/judge/script_judge.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// What a version does, as a behaviour profile is made of it and compared with it. `facts` are those
// of ScriptJudge::FirstPass, at most `facts_per_name_max` of a name. Not whole, with the reason,
// where the version was not parsed, has bytes that are no JavaScript, went beyond a bound, or was
// not tried with all rules.
v1::ScriptBehaviour BehaviourOf(const ScriptAnalysis& analysis,
                                const std::vector<v1::ScriptFact>& facts, int facts_per_name_max,
                                bool rules_in_time);

// Judges a change, whose `behaviour` is set, by the profile of its script in place of the version
// before: one that does nothing more is accepted (`profile_id`, SEVERITY_INFO), one that does is as
// grave as what it gained over the profile, at least medium, and its reasons name that. What was
// not judged whole keeps `by_version`, what it got by the version before.
v1::Severity JudgeByProfile(const v1::ApprovedProfile& profile, v1::Severity by_version,
                            v1::ScriptChange& change);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_PROFILE_CHECK_H_
