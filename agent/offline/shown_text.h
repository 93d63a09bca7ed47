#ifndef SKIMWATCH_AGENT_OFFLINE_SHOWN_TEXT_H_
#define SKIMWATCH_AGENT_OFFLINE_SHOWN_TEXT_H_

#include <string>
#include <string_view>

namespace skimwatch::offline {

// Text from outside (a file's name, a header) made fit to be shown: card numbers in it become `*`,
// and what could steer a terminal or forge a line is escaped. Always valid UTF-8.
std::string ShownText(std::string_view text);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SHOWN_TEXT_H_
