#ifndef SKIMWATCH_AGENT_CARD_LOOSE_GROUPS_H_
#define SKIMWATCH_AGENT_CARD_LOOSE_GROUPS_H_

#include <cstddef>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/number_finder.h"

namespace skimwatch::card {

// Finds numbers whose groups have more between them than the one sign that the number finder
// takes: a tab, two or three spaces, a line break and what indents the next line; the same between
// all of them. Only 4-4-4-4, with a rest or without, 4-6-5 and 4-6-4, and no further group before
// or after: tables and columns of numbers look like that, too. Immutable and thread-safe.
class LooseGroups {
 public:
  // `brands` must outlive it.
  explicit LooseGroups(const BrandTable& brands) : brands_(brands) {}

  // Hands over the number whose first group, of four digits, ends before `gap`.
  void FindFrom(std::string_view text, size_t gap, NumberFinder::Sink sink) const;

 private:
  const BrandTable& brands_;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_LOOSE_GROUPS_H_
