#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_HTML_SCANNER_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_HTML_SCANNER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skimwatch::script {

// A start tag, as views into the page.
struct HtmlTag {
  struct Attribute {
    std::string_view name;
    // Without quotes, character references as they stand.
    std::string_view value;
  };
  size_t offset = 0;
  std::string_view name;
  std::vector<Attribute> attributes;
  // Bytes up to the element's own end tag, for a script; else empty.
  std::string_view script_text;
};

// The tags of a page without a tree, in one pass that takes time and memory linear in the page
// whatever it holds. It knows comments, quoted attributes and that nothing ends a script but its
// end tag; it does not know where a parser would ignore a tag (inside a text area or a style
// sheet), so it sees rather too much. Used where building the tree is too much work, and inside
// server code.
class HtmlScanner {
 public:
  explicit HtmlScanner(std::string_view page) : page_(page) {}

  // The next start tag; false at the end.
  bool Next(HtmlTag& tag);

 private:
  bool ReadTag(HtmlTag& tag);
  void ReadScript(HtmlTag& tag);

  std::string_view page_;
  size_t at_ = 0;
};

// How much work a tree of the page would be: its tags times the most elements that could be open at
// once, counting every element without an end tag as open to the end. An element in scope is looked
// for among all that are open, so a page of a million open elements takes hours.
double TreeWork(std::string_view page);

// Compares ASCII letters without case (HTML Living Standard, 4.8 of Infra).
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_HTML_SCANNER_H_
