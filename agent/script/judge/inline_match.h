#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_MATCH_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_MATCH_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::script {

// Tells which of a page's inline scripts is which after the page changed, so that an insertion is
// one new script and not a change of all that follow.
//
// Equal bytes are the same script wherever they moved. What is left over stands between neighbours
// that were recognised: there, as many old as new ones are paired in their order, and unequal
// numbers by likeness, since a change usually leaves most of a script as it was.
struct InlineMatch {
  // For each of `current`: its index in `previous`, or -1 when it is new.
  std::vector<int> previous_of;
};

// `previous` and `current` are hashes in document order, each without repeats. `likeness(p, c)` is
// 0 to 1 for a pair of indices; it is asked only where numbers differ, and seldom.
InlineMatch MatchInlineScripts(const std::vector<std::string>& previous,
                               const std::vector<std::string>& current,
                               const std::function<double(int, int)>& likeness);

// How much of the longer text the two have in common at their beginning and end. Linear.
double Likeness(std::string_view a, std::string_view b);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_MATCH_H_
