#include <openssl/sha.h>

#include <array>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "collector/ctl/report/document.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --line: #8886; --quiet: #8882; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { border-bottom: 1px solid var(--line); font-size: 1.2rem; margin-top: 2rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
th { background: var(--quiet); }
pre { background: var(--quiet); overflow-x: auto; padding: .75rem; }
@media print { body { font-size: 9pt; margin: 0; max-width: none; } pre { white-space: pre-wrap; }
  h2 { break-after: avoid; } tr { break-inside: avoid; } }
)css";

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text::Printable(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

class Writer {
 public:
  std::string text;

  void operator()(const Document::Heading& heading) {
    absl::StrAppend(&text, "<h2>", Escape(heading.text), "</h2>\n");
  }
  void operator()(const Document::Paragraph& paragraph) {
    absl::StrAppend(&text, "<p>", Escape(paragraph.text), "</p>\n");
  }
  void operator()(const Document::List& list) {
    text += "<ul>\n";
    for (const std::string& item : list.items) {
      absl::StrAppend(&text, "<li>", Escape(item), "</li>\n");
    }
    text += "</ul>\n";
  }
  void operator()(const Document::Pairs& pairs) {
    text += "<div><table>\n";
    for (const auto& [name, value] : pairs.pairs) {
      if (value.empty()) continue;
      absl::StrAppend(&text, "<tr><th scope=\"row\">", Escape(name), "</th><td>", Escape(value),
                      "</td></tr>\n");
    }
    text += "</table></div>\n";
  }
  void operator()(const Document::Table& table) {
    text += "<div><table>\n<thead><tr>";
    for (const std::string& column : table.columns) {
      absl::StrAppend(&text, "<th scope=\"col\">", Escape(column), "</th>");
    }
    text += "</tr></thead>\n<tbody>\n";
    for (const std::vector<std::string>& row : table.rows) {
      text += "<tr>";
      for (const std::string& cell : row) absl::StrAppend(&text, "<td>", Escape(cell), "</td>");
      text += "</tr>\n";
    }
    text += "</tbody></table></div>\n";
  }
  void operator()(const Document::Code& code) {
    text += "<pre>";
    for (const absl::string_view line : absl::StrSplit(code.text, '\n')) {
      absl::StrAppend(&text, Escape(std::string_view(line.data(), line.size())), "\n");
    }
    text += "</pre>\n";
  }
};

std::string Sha256Base64(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

}  // namespace

std::string ToHtml(const Document& document) {
  Writer writer;
  writer.text = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'sha256-",
      Sha256Base64(kStyle), "'\">\n",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n", "<title>",
      Escape(document.title), "</title>\n<style>", std::string(kStyle), "</style>\n</head>\n",
      "<body>\n<main>\n<h1>", Escape(document.title), "</h1>\n");
  for (const Document::Block& block : document.blocks) std::visit(writer, block);
  absl::StrAppend(&writer.text, "</main>\n</body>\n</html>\n");
  return std::move(writer.text);
}

}  // namespace skimwatch::ctl
