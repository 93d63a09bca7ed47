#include "collector/ctl/output.h"

#include <algorithm>
#include <iostream>

#include "collector/ctl/json.h"
#include "collector/ctl/redact.h"
#include "collector/ctl/terminal.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {

void Output::Json(const google::protobuf::Message& message) {
  std::cout << ToJson(message) << "\n" << std::flush;
}

void Output::Raw(std::string_view text) { std::cout << text << std::flush; }

void Output::Rows(const text::Table& table) {
  std::cout << table.Render(OutputColumns(), headers_) << std::flush;
}

void Output::Pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  size_t width = 0;
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) width = std::max(width, name.size());
  }
  for (const auto& [name, value] : pairs) {
    if (value.empty()) continue;
    std::cout << name << ":" << std::string(width - name.size() + 1, ' ') << text::Printable(value)
              << "\n";
  }
  std::cout << std::flush;
}

void Output::Line(std::string_view text) { std::cout << text << "\n" << std::flush; }

void Output::Note(std::string_view text) { std::cerr << Redacted(text) << "\n"; }

absl::Status Output::Flush() {
  std::cout << std::flush;
  if (std::cout) return absl::OkStatus();
  return absl::UnknownError("standard output does not take what is written; is the disk full?");
}

}  // namespace skimwatch::ctl
