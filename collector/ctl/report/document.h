#ifndef SKIMWATCH_COLLECTOR_CTL_REPORT_DOCUMENT_H_
#define SKIMWATCH_COLLECTOR_CTL_REPORT_DOCUMENT_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace skimwatch::ctl {

// A report as a row of blocks, whatever form it is shown in. Texts are data from outside: whoever
// writes a form escapes them.
struct Document {
  struct Heading {
    std::string text;
  };
  struct Paragraph {
    std::string text;
  };
  struct List {
    std::vector<std::string> items;
  };
  // Names and values; pairs without a value are left out.
  struct Pairs {
    std::vector<std::pair<std::string, std::string>> pairs;
  };
  struct Table {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;
  };
  // Text whose lines stay as they are, such as a difference.
  struct Code {
    std::string text;
  };
  using Block = std::variant<Heading, Paragraph, List, Pairs, Table, Code>;

  std::string title;
  std::vector<Block> blocks;
};

// GitHub's Markdown. What a text holds is shown, never taken as markup.
std::string ToMarkdown(const Document& document);

// One HTML page of its own: no script, nothing from elsewhere, for screens light and dark and for
// print. Its policy forbids it to load or run anything, whatever a text holds.
std::string ToHtml(const Document& document);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_REPORT_DOCUMENT_H_
