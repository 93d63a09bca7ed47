#include "agent/script/judge/script_judge.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/behaviour.h"
#include "agent/script/judge/inline_match.h"
#include "agent/script/judge/judgement.h"
#include "agent/script/judge/named_hosts.h"
#include "agent/script/judge/script_references.h"
#include "agent/script/judge/shown_text.h"
#include "agent/script/judge/syntax_tree.h"
#include "agent/script/judge/verdict.h"

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

v1::ScriptFact FactOf(const RuleMatch& match) {
  v1::ScriptFact fact;
  fact.set_name(std::string(kRuleFact));
  std::string excerpt =
      ShownText(absl::StrCat(match.rule, match.is_critical ? std::string(kCriticalMark) : "",
                             match.description.empty() ? "" : ": ", match.description));
  MaskAndCut(excerpt, FactFinder::kExcerptBytesMax);
  fact.set_excerpt(std::move(excerpt));
  fact.set_offset(match.offset);
  return fact;
}

bool IsDestination(const v1::ScriptFact& fact) {
  return fact.name() == "destination" || fact.name() == "hidden_destination";
}

// `a.example by fetch`.
std::string HostOfDestination(const v1::ScriptFact& fact) {
  return fact.excerpt().substr(0, fact.excerpt().find(" by "));
}

uint32_t KeptPercent(std::string_view before, std::string_view now) {
  if (before.empty()) return 0;
  const auto longer = static_cast<double>(std::max(before.size(), now.size()));
  return static_cast<uint32_t>(Likeness(before, now) * longer * 100 /
                               static_cast<double>(before.size()));
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

// Hosts that the script leads to or names and that were not heard of: in the version before where
// there is one, else in other scripts.
void FindNewHosts(Evidence& evidence, const std::vector<v1::ScriptFact>& text_gained,
                  const std::string* previous_text,
                  const std::vector<v1::ScriptFact>& previous_behaviour,
                  const ScriptJudge::KnowsHost& knows_host) {
  absl::flat_hash_set<std::string> unseen;
  for (const v1::ScriptFact& fact : evidence.gained) {
    if (IsDestination(fact)) unseen.insert(HostOfDestination(fact));
  }
  std::vector<std::string> named;
  for (const v1::ScriptFact& fact : text_gained) {
    if (previous_text == nullptr || fact.name() != "external_host") continue;
    std::string host = HostOfFact(fact);
    // A developer's own machine.
    if (host == "127.0.0.1" || unseen.contains(host)) continue;
    named.push_back(host);
  }
  const absl::flat_hash_set<std::string> reached = unseen;
  unseen.insert(named.begin(), named.end());
  if (previous_text != nullptr) {
    for (const v1::ScriptFact& fact : previous_behaviour) {
      if (IsDestination(fact)) unseen.erase(HostOfDestination(fact));
    }
    RemoveNamedHosts(*previous_text, unseen);
  } else if (knows_host) {
    absl::erase_if(unseen, knows_host);
  }
  for (const std::string& host : unseen) {
    if (reached.contains(host)) evidence.new_hosts.insert(host);
  }
  // In the order of the text, each once.
  for (const std::string& host : named) {
    if (unseen.erase(host) > 0) evidence.named_hosts.push_back(host);
  }
}

}  // namespace

ScriptJudge::ScriptJudge(Options options)
    : options_(std::move(options)),
      rules_(std::make_unique<YaraRules>(YaraRules::Options{.folder = options_.yara_folder})) {}

std::vector<v1::ScriptFact> ScriptJudge::FirstPass(std::string_view text, int per_name_max,
                                                   bool* rules_in_time) const {
  std::vector<v1::ScriptFact> facts = finder_.Find(text, per_name_max);
  std::vector<RuleMatch> matches;
  const bool in_time = rules_->Current()->Scan(text, options_.yara_time_max, matches).ok();
  if (!in_time) ++rules_too_slow_;
  if (rules_in_time != nullptr) *rules_in_time = in_time;
  for (const RuleMatch& match : matches) facts.push_back(FactOf(match));
  std::stable_sort(
      facts.begin(), facts.end(),
      [](const v1::ScriptFact& a, const v1::ScriptFact& b) { return a.offset() < b.offset(); });
  return facts;
}

ScriptAnalysis ScriptJudge::Analyse(std::string_view text) const {
  ScriptAnalysis analysis;
  const absl::StatusOr<SyntaxTree> tree =
      SyntaxTree::Parse(text, {.bytes_max = options_.parse_bytes_max,
                               .time_max = options_.parse_time_max,
                               .nodes_max = options_.parse_nodes_max});
  if (!tree.ok()) {
    ++(tree.status().code() == absl::StatusCode::kDeadlineExceeded ? too_slow_ : too_large_);
    analysis.not_judged = absl::StrCat("not parsed: ", tree.status().message());
    return analysis;
  }
  if (tree->truncated()) {
    ++too_large_;
    analysis.not_judged = "not parsed to the end: too many parts";
    return analysis;
  }
  analysis.is_parsed = true;
  analysis.error_bytes = tree->error_bytes();
  BehaviourLeftOut left_out;
  const BehaviourLimits limits{.deadline = options_.now() + options_.read_time_max,
                               .now = options_.now};
  analysis.behaviour = FindBehaviour(*tree, limits, &left_out);
  analysis.is_cut = left_out.is_late || left_out.facts;
  analysis.is_spent = left_out.constants;
  if (left_out.is_late) {
    ++too_slow_;
    analysis.not_judged = absl::StrCat("not read to the end: it took longer than ",
                                       absl::FormatDuration(options_.read_time_max));
  } else if (left_out.facts) {
    ++too_large_;
    analysis.not_judged =
        absl::StrCat("not read to the end: more than ", limits.facts_max, " facts");
  } else if (left_out.constants) {
    analysis.not_judged = "constants not worked out to the end";
  }
  analysis.shape = ShapeOf(*tree);
  analysis.digests = DigestsOf(text);
  return analysis;
}

std::vector<RuleMatch> ScriptJudge::GainedRules(const Version& previous,
                                                const Version& current) const {
  const std::shared_ptr<const YaraRuleSet> rules = rules_->Current();
  std::vector<RuleMatch> matches;
  if (!rules->Scan(*current.text, options_.yara_time_max, matches).ok()) ++rules_too_slow_;
  if (previous.text == nullptr) return matches;
  std::vector<RuleMatch> before;
  const bool all_tried = rules->Scan(*previous.text, options_.yara_time_max, before).ok();
  if (!all_tried) ++rules_too_slow_;
  absl::flat_hash_set<std::string> known;
  for (const RuleMatch& match : before) known.insert(match.rule);
  // Those that were not tried in time are known by when the version was new.
  if (!all_tried && previous.facts != nullptr) {
    for (const v1::ScriptFact& fact : *previous.facts) {
      if (fact.name() != kRuleFact) continue;
      known.insert(fact.excerpt().substr(0, fact.excerpt().find_first_of(" :")));
    }
  }
  matches.erase(std::remove_if(matches.begin(), matches.end(),
                               [&](const RuleMatch& match) { return known.contains(match.rule); }),
                matches.end());
  return matches;
}

v1::Severity ScriptJudge::Judge(const Version& previous, const Version& current,
                                v1::ScriptChange& change, const KnowsHost& knows_host,
                                ScriptAnalysis* analysis) const {
  const bool is_added = change.change() == v1::ScriptChange::CHANGE_ADDED;
  const bool is_changed = change.change() == v1::ScriptChange::CHANGE_CHANGED;
  const bool compares = change.has_previous() && (is_added || is_changed);
  std::vector<v1::ScriptFact> cheap_gained =
      compares ? Gained(previous, current) : std::vector<v1::ScriptFact>();
  Show(*current.facts, {}, *change.mutable_facts());
  if (compares) Show(cheap_gained, {}, *change.mutable_gained_facts());
  if (!is_added && !is_changed) return Verdict(change);
  if (current.text == nullptr) {
    change.set_not_judged("not parsed: larger than what is kept of a script");
    return Verdict(change);
  }

  Evidence evidence;
  evidence.change = change.change();
  const bool compares_texts = compares && previous.text != nullptr;
  if (compares_texts) {
    cheap_gained.erase(
        std::remove_if(cheap_gained.begin(), cheap_gained.end(),
                       [](const v1::ScriptFact& fact) { return fact.name() == kRuleFact; }),
        cheap_gained.end());
  }
  std::vector<v1::ScriptFact> gained_rules;
  for (const RuleMatch& match : GainedRules(previous, current)) {
    gained_rules.push_back(FactOf(match));
    if (match.is_critical) evidence.critical_rules.push_back(gained_rules.back().excerpt());
    if (compares_texts) cheap_gained.push_back(gained_rules.back());
  }
  if (compares) Show(cheap_gained, {}, *change.mutable_gained_facts());

  ScriptAnalysis local;
  ScriptAnalysis& now = analysis != nullptr ? *analysis : local;
  now = Analyse(*current.text);
  change.set_not_judged(now.not_judged);
  if (!now.is_parsed) return Verdict(change);
  Show(*current.facts, now.behaviour, *change.mutable_facts());
  if (compares && previous.text == nullptr) {
    change.set_not_judged("not compared: the version before is not kept");
    // All of it may be new.
    Show(cheap_gained, now.behaviour, *change.mutable_gained_facts());
    return Verdict(change);
  }
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
    evidence.kept_percent = KeptPercent(*previous.text, *current.text);
    Show(cheap_gained, evidence.gained, *change.mutable_gained_facts());
  } else {
    evidence.gained = now.behaviour;
  }
  const std::vector<v1::ScriptFact>& text_gained = compares ? cheap_gained : *current.facts;
  for (const v1::ScriptFact& fact : text_gained) {
    if (fact.name() == "card_number") evidence.gained.push_back(fact);
  }
  for (v1::ScriptFact& fact : gained_rules) evidence.gained.push_back(std::move(fact));
  FindNewHosts(evidence, text_gained, compares ? previous.text : nullptr, before.behaviour,
               knows_host);
  Judgement judgement = GradeByBehaviour(evidence);
  // What was not understood or not read is known by its text alone.
  std::string by_text;
  if (now.error_bytes > before.error_bytes) {
    by_text =
        absl::StrCat(now.error_bytes - before.error_bytes, " more bytes that are no JavaScript");
  } else if (now.is_cut || (now.is_spent && !before.is_spent)) {
    by_text = now.not_judged;
  }
  if (!by_text.empty() && judgement.severity < v1::SEVERITY_CRITICAL) {
    v1::ScriptChange text;
    text.set_change(change.change());
    for (const v1::ScriptFact& fact : *current.facts) *text.add_facts() = fact;
    for (const v1::ScriptFact& fact : cheap_gained) *text.add_gained_facts() = fact;
    if (const v1::Severity severity = Verdict(text); severity > judgement.severity) {
      judgement.severity = severity;
      judgement.reasons.insert(judgement.reasons.begin(),
                               absl::StrCat("judged by its text: ", by_text));
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
