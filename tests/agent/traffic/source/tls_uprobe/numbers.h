#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_NUMBERS_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_NUMBERS_H_

#include <cstddef>
#include <string>

namespace skimwatch::traffic::testing {

// `0;1;2;` and so on, cut to `bytes`: what is missing, twice there or out of its place shows.
inline std::string Numbers(size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ';';
  text.resize(bytes);
  return text;
}

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_NUMBERS_H_
