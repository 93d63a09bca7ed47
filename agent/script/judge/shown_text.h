#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SHOWN_TEXT_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SHOWN_TEXT_H_

#include <string>
#include <string_view>

namespace skimwatch::script {

// A copy of `text` that can stand in a finding and on a terminal: every byte that is not part of
// valid UTF-8 and every control character but line feed and tab becomes U+FFFD.
std::string ShownText(std::string_view text);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SHOWN_TEXT_H_
