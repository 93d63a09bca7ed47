#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_FINDER_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_FINDER_H_

#include <memory>
#include <string_view>
#include <vector>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// Reads in a script's text what bears on cards: patterns for card numbers, Luhn routines, names of
// card fields, card numbers themselves, and the ways data leaves a page. A fact is an observation,
// not a verdict: checkout code of good standing has many; what matters is a version that gains one.
//
// Immutable and thread-safe; time is linear in the text. Facts come in order of offset, at most
// `kFactsPerNameMax` of one name, with excerpts free of card numbers.
class FactFinder {
 public:
  static constexpr int kFactsPerNameMax = 20;
  static constexpr int kExcerptBytesMax = 120;

  FactFinder();
  ~FactFinder();
  FactFinder(const FactFinder&) = delete;
  FactFinder& operator=(const FactFinder&) = delete;

  std::vector<v1::ScriptFact> Find(std::string_view text) const;

 private:
  struct Rules;
  std::unique_ptr<const Rules> rules_;
};

// Facts of `current` that `previous` lacks, compared by name and excerpt: a moved fact is not new.
std::vector<v1::ScriptFact> GainedFacts(const std::vector<v1::ScriptFact>& previous,
                                        const std::vector<v1::ScriptFact>& current);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_FINDER_H_
