#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_RULES_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_RULES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace skimwatch::script {

// What of the text around a match is shown and compared.
enum class ExcerptKind : uint8_t {
  // The match.
  kMatch,
  // The match and what follows it to the end of the statement, which says what is sent and where.
  kStatement,
  // The match and the letters, digits and marks of the name that it is part of.
  kName,
};

// One way to see a fact. A rule is tried where one of its literals stands, so that a text is read
// once for all rules; what it looks at from there is bounded, so that the whole stays linear.
struct FactRule {
  std::string_view name;
  // Literals in lower case, found without regard to case.
  std::vector<std::string_view> triggers;
  // RE2 syntax. The match must hold the literal's first byte.
  std::string_view pattern;
  ExcerptKind excerpt = ExcerptKind::kMatch;
  // Bytes before the literal that the pattern may begin in; with 0 it begins at the literal.
  size_t before_bytes = 0;
  // Bytes from the literal on that the pattern may read.
  size_t after_bytes = 200;
  // More of the same tells nothing more.
  bool once = false;
  // Further patterns that must each match somewhere in the bytes around the literal, before_bytes
  // to both sides; for what is known by several parts in any order.
  std::vector<std::string_view> nearby;
};

// All rules but the one for literal card numbers, which is the card engine's.
const std::vector<FactRule>& FactRules();

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_RULES_H_
