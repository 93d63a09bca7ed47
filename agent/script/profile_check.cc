#include "agent/script/profile_check.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/behaviour.h"
#include "agent/script/judge/judgement.h"
#include "agent/script/judge/script_references.h"
#include "proto/approval/behaviour_profile.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

constexpr size_t kReasonBytesMax = 240;
constexpr int kReasonsMax = 32;
constexpr int kReasonsOfProfileMax = 8;
// As a rule's fact has it (script_judge.cc).
constexpr std::string_view kCriticalMark = " (critical)";

using FactKey = std::pair<std::string, std::string>;

bool IsDestination(const v1::ScriptFact& fact) {
  return fact.name() == "destination" || fact.name() == "hidden_destination";
}

// `a.example by fetch`.
std::string HostOfDestination(const v1::ScriptFact& fact) {
  return fact.excerpt().substr(0, fact.excerpt().find(" by "));
}

std::string WhyIncomplete(const ScriptAnalysis& analysis, bool rules_in_time) {
  if (!analysis.not_judged.empty()) return analysis.not_judged;
  if (!analysis.is_parsed) return "not parsed";
  if (analysis.error_bytes > 0) {
    return absl::StrCat(analysis.error_bytes, " bytes that are no JavaScript");
  }
  if (analysis.is_cut || analysis.is_spent) return "not read to the end";
  if (!rules_in_time) return "its text took too long for the rules";
  return "";
}

// The evidence that a change gives against a profile, as if that were the version before.
Evidence EvidenceAgainst(const v1::ApprovedProfile& profile, const v1::ScriptChange& change) {
  Evidence evidence;
  evidence.change = v1::ScriptChange::CHANGE_CHANGED;
  absl::flat_hash_set<std::string> known_hosts;
  for (const v1::ScriptFact& fact : profile.facts()) {
    if (IsDestination(fact)) known_hosts.insert(HostOfDestination(fact));
    if (fact.name() == "external_host") known_hosts.insert(fact.excerpt());
  }
  for (const v1::ScriptFact& fact : change.behaviour().facts()) {
    if (IsBehaviour(fact.name())) evidence.facts.push_back(fact);
  }
  std::vector<std::string> named;
  for (v1::ScriptFact& fact : approval::GainedOver(profile.facts(), change.behaviour().facts())) {
    if (fact.name() == "external_host") {
      if (!known_hosts.contains(fact.excerpt())) named.push_back(fact.excerpt());
      continue;
    }
    // Said by the caller: behaviour has a fact of its own for it.
    if (fact.name() == "obfuscation") continue;
    if (IsDestination(fact) && !known_hosts.contains(HostOfDestination(fact))) {
      evidence.new_hosts.insert(HostOfDestination(fact));
    }
    if (fact.name() == "yara_rule" && fact.excerpt().find(kCriticalMark) != std::string::npos) {
      evidence.critical_rules.push_back(fact.excerpt());
    }
    evidence.gained.push_back(std::move(fact));
  }
  for (std::string& host : named) {
    if (!evidence.new_hosts.contains(host)) evidence.named_hosts.push_back(std::move(host));
  }
  // How alike two versions are says nothing about a profile.
  evidence.likeness.set_same_structure(true);
  return evidence;
}

void AddReason(std::string reason, std::vector<std::string>& reasons) {
  // What is harmless in an excerpt may be a number beside a count.
  validation::MaskCardNumbers(reason);
  validation::CutUtf8(reason, kReasonBytesMax);
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
    reasons.push_back(std::move(reason));
  }
}

}  // namespace

v1::ScriptBehaviour BehaviourOf(const ScriptAnalysis& analysis,
                                const std::vector<v1::ScriptFact>& facts, int facts_per_name_max,
                                bool rules_in_time) {
  v1::ScriptBehaviour behaviour;
  behaviour.set_incomplete(WhyIncomplete(analysis, rules_in_time));
  if (!behaviour.incomplete().empty()) return behaviour;
  std::map<FactKey, uint32_t> counts;
  for (const v1::ScriptFact& fact : analysis.behaviour) {
    counts[{fact.name(), fact.excerpt()}] += std::max(fact.count(), 1U);
  }
  int hosts = 0;
  for (const v1::ScriptFact& fact : facts) {
    if (fact.name() == "external_host") {
      ++hosts;
      counts[{fact.name(), HostOfFact(fact)}] = 1;
    } else if (fact.name() == "card_number" || fact.name() == "yara_rule") {
      counts[{fact.name(), fact.excerpt()}] = 1;
    } else if (fact.name() == "obfuscation") {
      // Its text is another in every build; that there is such is what counts.
      counts[{fact.name(), ""}] = 1;
    }
  }
  if (hosts >= facts_per_name_max || counts.size() > approval::kBehaviourFactsMax) {
    behaviour.set_incomplete(absl::StrCat("more than ", approval::kBehaviourFactsMax, " facts"));
    return behaviour;
  }
  for (const auto& [key, count] : counts) {
    v1::ScriptFact& fact = *behaviour.add_facts();
    fact.set_name(key.first);
    fact.set_excerpt(key.second);
    fact.set_count(count);
  }
  return behaviour;
}

v1::Severity JudgeByProfile(const v1::ApprovedProfile& profile, v1::Severity by_version,
                            v1::ScriptChange& change) {
  const std::vector<std::string> not_covered =
      approval::WhyNotCovered(profile.facts(), change.behaviour());
  std::vector<std::string> reasons;
  if (not_covered.empty()) {
    change.set_profile_id(profile.id());
    change.clear_reasons();
    change.add_reasons("does nothing that its behaviour profile does not have");
    return v1::SEVERITY_INFO;
  }
  v1::Severity severity = by_version;
  if (change.behaviour().incomplete().empty()) {
    const Judgement judgement = GradeByBehaviour(EvidenceAgainst(profile, change));
    severity = std::max(judgement.severity, v1::SEVERITY_MEDIUM);
    // A reason of a low level says that there is nothing.
    if (judgement.severity > v1::SEVERITY_LOW) reasons = judgement.reasons;
    const auto is_obfuscation = [](const v1::ScriptFact& fact) {
      return fact.name() == "obfuscation";
    };
    const auto gained = approval::GainedOver(profile.facts(), change.behaviour().facts());
    if (std::any_of(gained.begin(), gained.end(), is_obfuscation)) {
      severity = std::max(severity, v1::SEVERITY_HIGH);
      AddReason("gained: an obfuscator's marks in its text", reasons);
    }
    if (!approval::DestinationsHidden(profile.facts(), change.behaviour().facts()).empty()) {
      severity = std::max(severity, v1::SEVERITY_HIGH);
    }
  } else {
    reasons.assign(change.reasons().begin(), change.reasons().end());
  }
  int told = 0;
  for (const std::string& why : not_covered) {
    if (++told > kReasonsOfProfileMax) break;
    AddReason(absl::StrCat("not covered by its behaviour profile: ", why), reasons);
  }
  change.clear_reasons();
  for (std::string& reason : reasons) {
    if (change.reasons_size() < kReasonsMax) change.add_reasons(std::move(reason));
  }
  return severity;
}

}  // namespace skimwatch::script
