#include "agent/script/judge/fact_finder.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/fact_rules.h"
#include "agent/script/judge/literal_finder.h"
#include "agent/script/judge/shown_text.h"

namespace skimwatch::script {
namespace {

// Names of XML that no browser ever asks for.
constexpr std::string_view kNamespaceHost = "://www.w3.org";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsNameByte(char c) {
  const char lower = Lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '[' || c == ']' || c == '.' || c == '$';
}

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

struct CompiledRule {
  const FactRule* rule = nullptr;
  std::unique_ptr<RE2> pattern;
  std::vector<std::unique_ptr<RE2>> nearby;
};

std::unique_ptr<RE2> Compile(std::string_view pattern) {
  RE2::Options options(RE2::Latin1);
  options.set_never_capture(true);
  options.set_dot_nl(true);
  options.set_log_errors(true);
  return std::make_unique<RE2>(Piece(pattern), options);
}

// What is shown of a match, before it is made printable.
Span ExcerptOf(std::string_view text, const Span& match, ExcerptKind kind) {
  constexpr auto kMax = static_cast<size_t>(FactFinder::kExcerptBytesMax);
  Span excerpt = match;
  switch (kind) {
    case ExcerptKind::kMatch:
      break;
    case ExcerptKind::kStatement: {
      const size_t end = std::min(text.size(), match.begin + kMax);
      while (excerpt.end < end && text[excerpt.end] != ';' && text[excerpt.end] != '\n') {
        ++excerpt.end;
      }
      break;
    }
    case ExcerptKind::kName: {
      while (excerpt.begin < excerpt.end && !IsNameByte(text[excerpt.begin])) ++excerpt.begin;
      while (excerpt.end > excerpt.begin && !IsNameByte(text[excerpt.end - 1])) --excerpt.end;
      constexpr size_t kNameBytesMax = 40;
      const size_t low = excerpt.begin > kNameBytesMax ? excerpt.begin - kNameBytesMax : 0;
      const size_t high = std::min(text.size(), excerpt.end + kNameBytesMax);
      while (excerpt.begin > low && IsNameByte(text[excerpt.begin - 1])) --excerpt.begin;
      while (excerpt.end < high && IsNameByte(text[excerpt.end])) ++excerpt.end;
      break;
    }
  }
  excerpt.end = std::min(excerpt.end, excerpt.begin + kMax);
  return excerpt;
}

}  // namespace

struct FactFinder::Rules {
  std::vector<CompiledRule> rules;
  std::unique_ptr<LiteralFinder> triggers;
  // Rules to try, by the literal's number.
  std::vector<std::vector<int>> by_trigger;
};

FactFinder::FactFinder() {
  auto compiled = std::make_unique<Rules>();
  std::vector<std::string> literals;
  absl::flat_hash_map<std::string, std::vector<int>> by_literal;
  for (const FactRule& rule : FactRules()) {
    const int number = static_cast<int>(compiled->rules.size());
    CompiledRule& entry = compiled->rules.emplace_back();
    entry.rule = &rule;
    entry.pattern = Compile(rule.pattern);
    for (const std::string_view nearby : rule.nearby) entry.nearby.push_back(Compile(nearby));
    for (const std::string_view trigger : rule.triggers) {
      std::vector<int>& numbers = by_literal[std::string(trigger)];
      if (numbers.empty()) literals.emplace_back(trigger);
      numbers.push_back(number);
    }
  }
  // The longest literal at a place is the one that is found; it is tried for the shorter ones'
  // rules too.
  std::sort(literals.begin(), literals.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  for (const std::string& literal : literals) {
    std::vector<int> numbers = by_literal[literal];
    for (const std::string& other : literals) {
      if (other.size() >= literal.size() || !literal.starts_with(other)) continue;
      for (const int number : by_literal[other]) {
        if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) {
          numbers.push_back(number);
        }
      }
    }
    compiled->by_trigger.push_back(std::move(numbers));
  }
  compiled->triggers = std::make_unique<LiteralFinder>(std::move(literals));
  rules_ = std::move(compiled);
}

FactFinder::~FactFinder() = default;

namespace {

// One look at one text.
class Search {
 public:
  Search(std::string_view text, int per_name_max)
      : text_(text), redacted_(RedactCards(text)), per_name_max_(per_name_max) {
    for (const size_t offset : redacted_.card_offsets) {
      const size_t before = std::min<size_t>(offset, 20);
      Add("card_number", offset, {offset - before, std::min(text.size(), offset + 60)});
    }
  }

  void Try(const CompiledRule& compiled, int number, size_t at) {
    const FactRule& rule = *compiled.rule;
    size_t& searched_to = searched_to_[number];
    if (at < searched_to) return;
    if (rule.once && searched_to > 0) return;
    int& of_name = count_[rule.name];
    if (of_name >= per_name_max_) return;
    const std::optional<Span> match = MatchAt(compiled, at);
    if (!match) return;
    if (!rule.nearby.empty()) {
      // What stands near was looked at for the whole neighbourhood.
      searched_to = at + rule.before_bytes / 4;
      if (!HasNearby(compiled, at)) return;
    }
    searched_to = std::max(searched_to, match->end);
    Add(rule.name, match->begin, ExcerptOf(text_, *match, rule.excerpt));
  }

  std::vector<v1::ScriptFact> Take() {
    std::stable_sort(
        facts_.begin(), facts_.end(),
        [](const v1::ScriptFact& a, const v1::ScriptFact& b) { return a.offset() < b.offset(); });
    return std::move(facts_);
  }

 private:
  std::optional<Span> MatchAt(const CompiledRule& compiled, size_t at) const {
    const FactRule& rule = *compiled.rule;
    const size_t begin = at > rule.before_bytes && rule.nearby.empty()  ? at - rule.before_bytes
                         : rule.nearby.empty() && rule.before_bytes > 0 ? 0
                                                                        : at;
    const size_t end = std::min(text_.size(), at + rule.after_bytes);
    const RE2::Anchor anchor = begin == at ? RE2::ANCHOR_START : RE2::UNANCHORED;
    re2::StringPiece found;
    // The whole text is the context, so that `\b` sees what stands before.
    size_t from = begin;
    while (compiled.pattern->Match(Piece(text_.substr(0, end)), from, end, anchor, &found, 1)) {
      const auto match_begin = static_cast<size_t>(found.data() - text_.data());
      const size_t match_end = match_begin + found.size();
      if (match_begin > at) break;
      if (match_end > at) return Span{match_begin, match_end};
      // An earlier one that ends before the literal.
      from = match_begin + 1;
    }
    return std::nullopt;
  }

  bool HasNearby(const CompiledRule& compiled, size_t at) const {
    const size_t reach = compiled.rule->before_bytes;
    const size_t begin = at > reach ? at - reach : 0;
    const std::string_view around = text_.substr(begin, at - begin + reach);
    return std::all_of(compiled.nearby.begin(), compiled.nearby.end(),
                       [&](const std::unique_ptr<RE2>& pattern) {
                         return RE2::PartialMatch(Piece(around), *pattern);
                       });
  }

  void Add(std::string_view name, size_t offset, const Span& span) {
    int& count = count_[name];
    if (count >= per_name_max_) return;
    const std::string_view raw =
        std::string_view(redacted_.text).substr(span.begin, span.end - span.begin);
    if (name == "external_host" && raw.find(kNamespaceHost) != std::string_view::npos) return;
    std::string excerpt = ShownText(raw);
    MaskAndCut(excerpt, FactFinder::kExcerptBytesMax);
    if (!seen_.insert(absl::StrCat(std::string(name), "\n", excerpt)).second) return;
    ++count;
    v1::ScriptFact& fact = facts_.emplace_back();
    fact.set_name(std::string(name));
    fact.set_excerpt(std::move(excerpt));
    fact.set_offset(offset);
  }

  const std::string_view text_;
  const RedactedText redacted_;
  const int per_name_max_;
  std::vector<v1::ScriptFact> facts_;
  absl::flat_hash_map<std::string_view, int> count_;
  absl::flat_hash_set<std::string> seen_;
  // By rule: bytes before this are done with.
  absl::flat_hash_map<int, size_t> searched_to_;
};

}  // namespace

std::vector<v1::ScriptFact> FactFinder::Find(std::string_view text, int per_name_max) const {
  Search search(text, per_name_max);
  // Another literal may begin inside one.
  for (auto place = rules_->triggers->Next(text, 0); place;
       place = rules_->triggers->Next(text, place->begin + 1)) {
    for (const int number : rules_->by_trigger[place->literal]) {
      search.Try(rules_->rules[number], number, place->begin);
    }
  }
  return search.Take();
}

std::vector<v1::ScriptFact> GainedFacts(const std::vector<v1::ScriptFact>& previous,
                                        const std::vector<v1::ScriptFact>& current) {
  absl::flat_hash_set<std::pair<std::string_view, std::string_view>> known;
  for (const v1::ScriptFact& fact : previous) known.emplace(fact.name(), fact.excerpt());
  std::vector<v1::ScriptFact> gained;
  for (const v1::ScriptFact& fact : current) {
    if (!known.contains({fact.name(), fact.excerpt()})) gained.push_back(fact);
  }
  return gained;
}

std::vector<v1::ScriptFact> FirstFacts(const std::vector<v1::ScriptFact>& facts, int per_name_max) {
  absl::flat_hash_map<std::string_view, int> count;
  std::vector<v1::ScriptFact> first;
  for (const v1::ScriptFact& fact : facts) {
    if (count[fact.name()]++ < per_name_max) first.push_back(fact);
  }
  return first;
}

}  // namespace skimwatch::script
