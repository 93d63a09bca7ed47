#ifndef SKIMWATCH_PROTO_CONFIG_ERROR_LIST_H_
#define SKIMWATCH_PROTO_CONFIG_ERROR_LIST_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/config/source_map.h"
#include "proto/text/printable.h"

namespace skimwatch::config {

// What is wrong with a configuration, one line an error: `file:line:column: path: found, expected`.
class ErrorList {
 public:
  explicit ErrorList(std::string_view file) : file_(file) {}

  // `what` says what was found and what was expected; it must be fit for a terminal.
  void Add(Position position, std::string_view path, const std::string& what) {
    if (errors_.size() == kErrorsMax) {
      more_ = true;
      return;
    }
    errors_.push_back(absl::StrCat(file_, ":", position.line, ":", position.column, ": ",
                                   text::Printable(path), path.empty() ? "" : ": ", what));
  }
  bool full() const { return more_; }

  absl::Status status() const {
    if (errors_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(absl::StrJoin(errors_, "\n"), more_ ? "\nand more" : ""));
  }

 private:
  static constexpr size_t kErrorsMax = 20;

  const std::string file_;
  std::vector<std::string> errors_;
  bool more_ = false;
};

// A value as an error shows it: cut, and fit for a terminal.
inline std::string Quoted(std::string_view value) {
  constexpr size_t kBytesMax = 60;
  const bool cut = value.size() > kBytesMax;
  return absl::StrCat("`", text::Printable(value.substr(0, kBytesMax)), cut ? "..." : "", "`");
}

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_ERROR_LIST_H_
