#ifndef SKIMWATCH_PROTO_TEXT_NEAREST_H_
#define SKIMWATCH_PROTO_TEXT_NEAREST_H_

#include <string_view>
#include <vector>

namespace skimwatch::text {

// The word of `known`, words in lower case with `_`, that `word` is most likely meant to be, for
// "did you mean": by edits and swaps of neighbours, whatever the spelling (`flowRatio`,
// `flow-ratio`). Empty when none is near.
std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace skimwatch::text

#endif  // SKIMWATCH_PROTO_TEXT_NEAREST_H_
