#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SHOWN_TEXT_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SHOWN_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace skimwatch::script {

// A copy of `text` that can stand in a finding and on a terminal: every byte that is not part of
// valid UTF-8 and every control character but line feed and tab becomes U+FFFD.
std::string ShownText(std::string_view text);

// Masks the card numbers in `text` and cuts it to at most `bytes_max` bytes: masked first, so that
// no number stands there but for its end, and once more behind the cut, because the beginning of a
// long run of digits may look like one.
void MaskAndCut(std::string& text, size_t bytes_max);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SHOWN_TEXT_H_
