#include "agent/script/judge/template_code.h"

#include <algorithm>

namespace skimwatch::script {

std::vector<CodeRange> FindTemplateCode(std::string_view page) {
  std::vector<CodeRange> ranges;
  size_t at = 0;
  while ((at = page.find('<', at)) != std::string_view::npos) {
    const char mark = at + 1 < page.size() ? page[at + 1] : '\0';
    if (mark != '?' && mark != '%') {
      ++at;
      continue;
    }
    const std::string_view closing = mark == '?' ? "?>" : "%>";
    const size_t found = page.find(closing, at + 2);
    const size_t end = found == std::string_view::npos ? page.size() : found + closing.size();
    ranges.push_back({at, end});
    at = end;
  }
  return ranges;
}

}  // namespace skimwatch::script
