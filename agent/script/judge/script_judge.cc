#include "agent/script/judge/script_judge.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/behaviour.h"
#include "agent/script/judge/judgement.h"
#include "agent/script/judge/shown_text.h"
#include "agent/script/judge/syntax_tree.h"
#include "agent/script/judge/verdict.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

// Facts of behaviour of one name that a finding shows, and facts of all names.
constexpr int kShownPerName = 10;
constexpr int kShownMax = 250;
constexpr std::string_view kRuleFact = "yara_rule";
// Behind a rule's name whose match is critical.
constexpr std::string_view kCriticalMark = " (critical)";

std::vector<v1::ScriptFact> Gained(const ScriptJudge::Version& previous,
                                   const ScriptJudge::Version& current) {
  return GainedFacts(previous.facts == nullptr ? std::vector<v1::ScriptFact>() : *previous.facts,
                     *current.facts);
}

// A share of each name, so that no name crowds out the others; in order of offset.
void Show(const std::vector<v1::ScriptFact>& cheap, const std::vector<v1::ScriptFact>& behaviour,
          google::protobuf::RepeatedPtrField<v1::ScriptFact>& shown) {
  std::vector<v1::ScriptFact> all = FirstFacts(behaviour, kShownPerName);
  for (int per_name = FactFinder::kFactsPerNameMax; per_name > 0; --per_name) {
    std::vector<v1::ScriptFact> some = FirstFacts(cheap, per_name);
    if (static_cast<int>(all.size() + some.size()) > kShownMax && per_name > 1) continue;
    for (v1::ScriptFact& fact : some) all.push_back(std::move(fact));
    break;
  }
  if (all.size() > kShownMax) all.resize(kShownMax);
  std::stable_sort(all.begin(), all.end(), [](const v1::ScriptFact& a, const v1::ScriptFact& b) {
    return a.offset() < b.offset();
  });
  shown.Clear();
  for (v1::ScriptFact& fact : all) *shown.Add() = std::move(fact);
}

}  // namespace

ScriptJudge::ScriptJudge(Options options)
    : options_(std::move(options)),
      rules_(std::make_unique<YaraRules>(YaraRules::Options{.folder = options_.yara_folder})) {}

std::vector<v1::ScriptFact> ScriptJudge::FirstPass(std::string_view text, int per_name_max) const {
  std::vector<v1::ScriptFact> facts = finder_.Find(text, per_name_max);
  std::vector<RuleMatch> matches;
  if (!rules_->Current()->Scan(text, options_.yara_time_max, matches).ok()) ++rules_too_slow_;
  for (const RuleMatch& match : matches) {
    v1::ScriptFact& fact = facts.emplace_back();
    fact.set_name(std::string(kRuleFact));
    std::string excerpt =
        ShownText(absl::StrCat(match.rule, match.is_critical ? std::string(kCriticalMark) : "",
                               match.description.empty() ? "" : ": ", match.description));
    validation::CutUtf8(excerpt, FactFinder::kExcerptBytesMax);
    validation::MaskCardNumbers(excerpt);
    fact.set_excerpt(std::move(excerpt));
    fact.set_offset(match.offset);
  }
  std::stable_sort(
      facts.begin(), facts.end(),
      [](const v1::ScriptFact& a, const v1::ScriptFact& b) { return a.offset() < b.offset(); });
  return facts;
}

ScriptAnalysis ScriptJudge::Analyse(std::string_view text) const {
  ScriptAnalysis analysis;
  const absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(
      text, {.bytes_max = options_.parse_bytes_max, .time_max = options_.parse_time_max});
  if (!tree.ok()) {
    ++(tree.status().code() == absl::StatusCode::kDeadlineExceeded ? too_slow_ : too_large_);
    analysis.not_judged = absl::StrCat("not parsed: ", tree.status().message());
    return analysis;
  }
  analysis.is_parsed = true;
  analysis.error_bytes = tree->error_bytes();
  if (tree->truncated()) analysis.not_judged = "not parsed to the end: too many parts";
  analysis.behaviour = FindBehaviour(*tree);
  analysis.shape = ShapeOf(*tree);
  analysis.digests = DigestsOf(text);
  return analysis;
}

v1::Severity ScriptJudge::Judge(const Version& previous, const Version& current,
                                v1::ScriptChange& change) const {
  const bool is_added = change.change() == v1::ScriptChange::CHANGE_ADDED;
  const bool is_changed = change.change() == v1::ScriptChange::CHANGE_CHANGED;
  const bool compares = change.has_previous() && (is_added || is_changed);
  const std::vector<v1::ScriptFact> cheap_gained =
      compares ? Gained(previous, current) : std::vector<v1::ScriptFact>();
  Show(*current.facts, {}, *change.mutable_facts());
  if (compares) Show(cheap_gained, {}, *change.mutable_gained_facts());
  if (!is_added && !is_changed) return Verdict(change);
  if (current.text == nullptr) {
    change.set_not_judged("not parsed: larger than what is kept of a script");
    return Verdict(change);
  }

  const ScriptAnalysis now = Analyse(*current.text);
  change.set_not_judged(now.not_judged);
  if (!now.is_parsed) return Verdict(change);
  Show(*current.facts, now.behaviour, *change.mutable_facts());
  if (compares && previous.text == nullptr) {
    change.set_not_judged("not compared: the version before is not kept");
    // All of it may be new.
    Show(cheap_gained, now.behaviour, *change.mutable_gained_facts());
    return Verdict(change);
  }
  Evidence evidence;
  evidence.change = change.change();
  evidence.facts = now.behaviour;
  ScriptAnalysis before;
  if (compares) {
    before = Analyse(*previous.text);
    if (!before.is_parsed) {
      change.set_not_judged(absl::StrCat("the version before: ", before.not_judged));
      return Verdict(change);
    }
    evidence.gained = GainedBehaviour(before.behaviour, now.behaviour);
    CompareShapes(before.shape, *previous.text, now.shape, *current.text, change);
    v1::ScriptLikeness& likeness = *change.mutable_likeness();
    likeness.set_tlsh_distance(TlshDistance(before.digests, now.digests));
    likeness.set_ssdeep_score(SsdeepScore(before.digests, now.digests));
    evidence.likeness = likeness;
    Show(cheap_gained, evidence.gained, *change.mutable_gained_facts());
  } else {
    evidence.gained = now.behaviour;
  }
  for (const v1::ScriptFact& fact : compares ? cheap_gained : *current.facts) {
    if (fact.name() == "card_number") evidence.gained.push_back(fact);
    if (fact.name() != kRuleFact) continue;
    evidence.gained.push_back(fact);
    if (fact.excerpt().find(kCriticalMark) != std::string::npos) {
      evidence.critical_rules.push_back(fact.excerpt());
    }
  }
  for (const v1::ScriptFact& fact : evidence.gained) {
    if (fact.name() != "destination" && fact.name() != "hidden_destination") continue;
    const std::string host = fact.excerpt().substr(0, fact.excerpt().find(" by "));
    if (!compares || previous.text->find(host) == std::string::npos) {
      evidence.new_hosts.insert(host);
    }
  }
  Judgement judgement = GradeByBehaviour(evidence);
  // What the parser did not understand is known by its text alone.
  if (now.error_bytes > before.error_bytes && judgement.severity < v1::SEVERITY_CRITICAL) {
    v1::ScriptChange by_text;
    by_text.set_change(change.change());
    for (const v1::ScriptFact& fact : *current.facts) *by_text.add_facts() = fact;
    for (const v1::ScriptFact& fact : cheap_gained) *by_text.add_gained_facts() = fact;
    if (const v1::Severity severity = Verdict(by_text); severity > judgement.severity) {
      judgement.severity = severity;
      judgement.reasons.insert(
          judgement.reasons.begin(),
          absl::StrCat("judged by its text: ", now.error_bytes - before.error_bytes,
                       " more bytes that are no JavaScript"));
    }
  }
  for (const std::string& reason : judgement.reasons) {
    if (change.reasons_size() < 32) change.add_reasons(reason);
  }
  return judgement.severity;
}

ScriptJudge::Stats ScriptJudge::GetStats() const {
  return {.too_large = too_large_,
          .too_slow = too_slow_,
          .rules_too_slow = rules_too_slow_,
          .rules = rules_->GetStats()};
}

}  // namespace skimwatch::script
