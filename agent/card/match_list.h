#ifndef SKIMWATCH_AGENT_CARD_MATCH_LIST_H_
#define SKIMWATCH_AGENT_CARD_MATCH_LIST_H_

#include <vector>

#include "agent/card/card_match.h"

namespace skimwatch::card {

// Makes one match of each number: what several ways of decoding found in the same bytes is one
// match, with the shortest chain of encodings and the strongest evidence; of different numbers in
// overlapping bytes the better stays. Then lets numbers that stand close together vouch for each
// other, and sorts by last byte.
void MergeMatches(std::vector<CardMatch>& matches);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_MATCH_LIST_H_
