#include "agent/script/change_judge.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/fact_finder.h"
#include "agent/script/judge/text_diff.h"
#include "agent/script/profile_check.h"

namespace skimwatch::script {
namespace {

// Facts of one name that are kept to compare with, so that a skimmer can't hide behind the first
// twenty requests of a large script.
constexpr int kKeptFactsPerName = 1000;
// A difference in a finding.
constexpr size_t kDiffBytesMax = size_t{64} << 10;
// Hosts of a script that are kept.
constexpr int kHostsMax = 64;

}  // namespace

JudgedChange JudgeChange(const ScriptJudge& judge, VersionStore& versions, const std::string& name,
                         const std::string& text, const ScriptReference* reference,
                         const Standing& standing, v1::ScriptChange& change,
                         const ScriptJudge::KnowsHost& knows_host) {
  KeptVersion version;
  bool rules_in_time = true;
  version.facts = reference == nullptr ? judge.FirstPass(text, kKeptFactsPerName, &rules_in_time)
                                       : FactsOf(*reference, judge.finder(), kKeptFactsPerName);
  JudgedChange judged;
  std::vector<std::string>& hosts = judged.hosts;
  for (const v1::ScriptFact& fact : version.facts) {
    if (fact.name() != "external_host" || hosts.size() >= kHostsMax) continue;
    std::string host = HostOfFact(fact);
    if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
      hosts.push_back(std::move(host));
    }
  }
  if (text.size() <= std::max(kDiffTextBytesMax, judge.options().parse_bytes_max)) {
    version.text = RedactCards(text).text;
  }
  versions.Put(change.current().sha256(), version);
  const bool compare = (change.change() == v1::ScriptChange::CHANGE_CHANGED ||
                        change.change() == v1::ScriptChange::CHANGE_ADDED) &&
                       change.has_previous();
  std::optional<KeptVersion> previous;
  if (compare) previous = versions.Get(change.previous().sha256());
  if (reference == nullptr) {
    ScriptAnalysis analysis;
    // Where nothing is known of the version before, everything may be new.
    judged.severity =
        judge.Judge({.text = previous && previous->text ? &*previous->text : nullptr,
                     .facts = previous ? &previous->facts : nullptr},
                    {.text = version.text ? &*version.text : nullptr, .facts = &version.facts},
                    change, knows_host, &analysis);
    if (change.change() == v1::ScriptChange::CHANGE_CHANGED ||
        change.change() == v1::ScriptChange::CHANGE_ADDED) {
      *change.mutable_behaviour() =
          BehaviourOf(analysis, version.facts, kKeptFactsPerName, rules_in_time);
      if (standing.profile != nullptr) {
        judged.severity = JudgeByProfile(*standing.profile, judged.severity, change);
      }
    }
  } else {
    for (v1::ScriptFact& fact : FirstFacts(version.facts, FactFinder::kFactsPerNameMax)) {
      *change.add_facts() = std::move(fact);
    }
    for (v1::ScriptFact& fact : FirstFacts(
             compare ? GainedFacts(previous ? previous->facts : std::vector<v1::ScriptFact>(),
                                   version.facts)
                     : std::vector<v1::ScriptFact>(),
             FactFinder::kFactsPerNameMax)) {
      *change.add_gained_facts() = std::move(fact);
    }
  }
  if (!compare) return judged;
  if (!previous || !previous->text || !version.text) {
    change.set_diff("not compared: the version before is not kept\n");
    if (!version.text) change.set_diff("not compared: the script is too large\n");
    return judged;
  }
  absl::StatusOr<TextDiff> diff = DiffTexts(name, *previous->text, *version.text, kDiffBytesMax);
  if (!diff.ok()) {
    change.set_diff("not compared: out of memory\n");
    return judged;
  }
  change.set_diff(std::move(diff->text));
  change.set_diff_truncated_bytes(diff->truncated_bytes);
  return judged;
}

void TakeApart(const ScriptJudge& judge, VersionStore& versions, v1::ScriptChange& change) {
  change.set_change(v1::ScriptChange::CHANGE_TAKEN_APART);
  const std::optional<KeptVersion> version = versions.Get(change.current().sha256());
  if (!version || !version->text) {
    change.mutable_behaviour()->set_incomplete("its text is not kept");
    return;
  }
  // Rules of now: those of the facts that are kept may have been others.
  bool rules_in_time = true;
  const std::vector<v1::ScriptFact> facts =
      judge.FirstPass(*version->text, kKeptFactsPerName, &rules_in_time);
  *change.mutable_behaviour() =
      BehaviourOf(judge.Analyse(*version->text), facts, kKeptFactsPerName, rules_in_time);
}

}  // namespace skimwatch::script
