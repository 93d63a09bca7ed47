#include "agent/offline/content_type.h"

#include <array>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace skimwatch::offline {
namespace {

// IANA's registry, for what stands on and beside web servers.
constexpr std::array<std::pair<std::string_view, std::string_view>, 38> kTypes = {{
    {"js", "text/javascript"},
    {"mjs", "text/javascript"},
    {"cjs", "text/javascript"},
    {"jsx", "text/javascript"},
    {"ts", "text/javascript"},
    {"tsx", "text/javascript"},
    {"html", "text/html"},
    {"htm", "text/html"},
    {"xhtml", "application/xhtml+xml"},
    {"json", "application/json"},
    {"jsonl", "application/json"},
    {"ndjson", "application/json"},
    {"map", "application/json"},
    {"xml", "application/xml"},
    {"svg", "image/svg+xml"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"tsv", "text/tab-separated-values"},
    {"txt", "text/plain"},
    {"log", "text/plain"},
    {"md", "text/markdown"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"sql", "application/sql"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"mp4", "video/mp4"},
}};

}  // namespace

std::string_view ContentTypeOfName(std::string_view name) {
  name.remove_prefix(name.find_last_of('/') + 1);
  while (true) {
    const size_t dot = name.find_last_of('.');
    if (dot == std::string_view::npos) return {};
    std::string_view ending = name.substr(dot + 1);
    name.remove_suffix(name.size() - dot);
    if (!ending.empty() && ending.find_first_not_of("0123456789") == std::string_view::npos) {
      continue;
    }
    // A rotated log with a date: `access.log-20240101`.
    const size_t date = ending.find_last_not_of("0123456789");
    if (date + 1 < ending.size() && date != 0 && ending[date] == '-') {
      ending.remove_suffix(ending.size() - date);
    }
    const std::string lower = absl::AsciiStrToLower({ending.data(), ending.size()});
    for (const auto& [known, type] : kTypes) {
      if (lower == known) return type;
    }
    return {};
  }
}

bool IsScriptType(std::string_view content_type) {
  // RFC 9239, with the names that servers still use.
  return content_type == "text/javascript" || content_type == "application/javascript" ||
         content_type == "application/x-javascript" || content_type == "application/ecmascript" ||
         content_type == "text/ecmascript";
}

}  // namespace skimwatch::offline
