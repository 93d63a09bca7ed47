#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_TEMPLATE_CODE_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_TEMPLATE_CODE_H_

#include <cstddef>
#include <string_view>
#include <vector>

namespace skimwatch::script {

struct CodeRange {
  size_t begin = 0;
  size_t end = 0;
};

// Where a page holds code that a server replaces before a browser sees it: `<? ... ?>` (PHP, also
// an XML declaration) and `<% ... %>` (JSP, ERB), in order. A block without its end reaches to the
// end of the page, as PHP has it. Such code stands anywhere, in the middle of a tag too, and holds
// quotes and angle brackets that are none of HTML's. Linear.
std::vector<CodeRange> FindTemplateCode(std::string_view page);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_TEMPLATE_CODE_H_
