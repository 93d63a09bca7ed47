#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_SCRIPTS_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_SCRIPTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::script {

// Code inside a page: a `script` element without `src`, or an event-handler attribute.
struct InlineScript {
  // From 1, in document order, over both kinds.
  int number = 0;
  // Position in the page, in bytes.
  uint64_t offset = 0;
  std::string text;
};

// The scripts that a browser would run from `html` itself (HTML Living Standard, 4.12.1): elements
// whose `type` is absent, empty, a JavaScript media type, `module`, `importmap` or
// `speculationrules`, and `on...` attributes and `javascript:` addresses. Data blocks such as
// `application/json` are not scripts. Never fails: a browser has no invalid HTML either. Depth and
// memory are bounded by the size of the page. Thread-safe.
std::vector<InlineScript> ExtractInlineScripts(std::string_view html);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_SCRIPTS_H_
