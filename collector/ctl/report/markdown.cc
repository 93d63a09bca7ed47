#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "collector/ctl/report/document.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {
namespace {

// Whether GitHub would look for the start of a link here though none is marked: `https://…`,
// `www.…`.
bool StartsLink(std::string_view text, size_t i) {
  if (text[i] == ':') return text.substr(i).starts_with("://");
  return text[i] == '.' && i >= 3 &&
         absl::EqualsIgnoreCase(absl::string_view(text.data() + i - 3, 3), "www");
}

// The length of a command of ours in backticks at the beginning of `text`, or 0. Nothing in it can
// be markup, so that it stays one that can be copied.
size_t CommandBytes(std::string_view text) {
  constexpr std::string_view kBegin = "`skimwatchctl ";
  if (!text.starts_with(kBegin)) return 0;
  const size_t end = text.find('`', kBegin.size());
  if (end == std::string_view::npos) return 0;
  const std::string_view command = text.substr(1, end - 1);
  const bool is_plain = std::all_of(command.begin(), command.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == ' ' || c == '-';
  });
  return is_plain ? end + 1 : 0;
}

// Everything that Markdown or the HTML in it could take for markup, links that it would make of
// bare addresses too: a thief's address must not be a click away.
std::string Escape(std::string_view text) {
  const std::string printable = text::Printable(text);
  std::string escaped;
  for (size_t i = 0; i < printable.size(); ++i) {
    const char c = printable[i];
    if (const size_t bytes = CommandBytes(std::string_view(printable).substr(i)); bytes > 0) {
      escaped.append(printable, i, bytes);
      i += bytes - 1;
      continue;
    }
    if (std::string_view("\\`*_{}[]<>()#+-!|~&$").find(c) != std::string_view::npos ||
        StartsLink(printable, i)) {
      escaped += '\\';
    }
    escaped += c;
    // Links to mail addresses and calls for GitHub's users are made of the text without
    // backslashes; a comment within keeps them from being found.
    if (c == '@') escaped += "<!-- -->";
  }
  return escaped;
}

class Writer {
 public:
  std::string text;

  void operator()(const Document::Heading& heading) {
    absl::StrAppend(&text, "## ", Escape(heading.text), "\n\n");
  }
  void operator()(const Document::Paragraph& paragraph) {
    absl::StrAppend(&text, Escape(paragraph.text), "\n\n");
  }
  void operator()(const Document::List& list) {
    for (const std::string& item : list.items) absl::StrAppend(&text, "- ", Escape(item), "\n");
    text += '\n';
  }
  void operator()(const Document::Pairs& pairs) {
    absl::StrAppend(&text, "| | |\n| --- | --- |\n");
    for (const auto& [name, value] : pairs.pairs) {
      if (value.empty()) continue;
      absl::StrAppend(&text, "| ", Escape(name), " | ", Escape(value), " |\n");
    }
    text += '\n';
  }
  void operator()(const Document::Table& table) {
    Row(table.columns);
    text += '|';
    for (size_t i = 0; i < table.columns.size(); ++i) text += " --- |";
    text += '\n';
    for (const std::vector<std::string>& row : table.rows) Row(row);
    text += '\n';
  }
  void operator()(const Document::Code& code) {
    // A fence longer than any row of backticks within.
    size_t longest = 0;
    size_t run = 0;
    for (const char c : code.text) {
      run = c == '`' ? run + 1 : 0;
      longest = std::max(longest, run);
    }
    const std::string fence(std::max<size_t>(3, longest + 1), '`');
    absl::StrAppend(&text, fence, "\n");
    for (const absl::string_view line : absl::StrSplit(code.text, '\n')) {
      absl::StrAppend(&text, text::Printable(std::string_view(line.data(), line.size())), "\n");
    }
    absl::StrAppend(&text, fence, "\n\n");
  }

 private:
  void Row(const std::vector<std::string>& cells) {
    text += '|';
    for (const std::string& cell : cells) absl::StrAppend(&text, " ", Escape(cell), " |");
    text += '\n';
  }
};

}  // namespace

std::string ToMarkdown(const Document& document) {
  Writer writer;
  writer.text = absl::StrCat("# ", Escape(document.title), "\n\n");
  for (const Document::Block& block : document.blocks) std::visit(writer, block);
  while (writer.text.ends_with("\n\n")) writer.text.pop_back();
  return std::move(writer.text);
}

}  // namespace skimwatch::ctl
