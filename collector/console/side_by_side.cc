#include "collector/console/side_by_side.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"

namespace skimwatch::console {
namespace {

// The number that follows `mark` in `@@ -12,3 +14,5 @@`.
uint64_t LineAfter(std::string_view header, char mark) {
  const size_t at = header.find(mark);
  if (at == std::string_view::npos) return 0;
  size_t end = at + 1;
  while (end < header.size() && header[end] >= '0' && header[end] <= '9') ++end;
  uint64_t line = 0;
  const std::string_view digits = header.substr(at + 1, end - at - 1);
  return absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &line) ? line : 0;
}

class Columns {
 public:
  explicit Columns(size_t rows_max) : rows_max_(rows_max) {}

  void Hunk(std::string_view header) {
    Flush();
    left_ = LineAfter(header, '-');
    right_ = LineAfter(header, '+');
    Add({.kind = DiffRow::Kind::kGap, .left = std::string(header)});
  }
  void Gap(std::string_view text) {
    Flush();
    Add({.kind = DiffRow::Kind::kGap, .left = std::string(text)});
  }
  void Same(std::string_view text) {
    Flush();
    Add({.left_number = left_++,
         .right_number = right_++,
         .has_left = true,
         .has_right = true,
         .left = std::string(text),
         .right = std::string(text)});
  }
  void Removed(std::string_view text) { removed_.emplace_back(text); }
  void Added(std::string_view text) { added_.emplace_back(text); }

  std::vector<DiffRow> Take(bool& cut) {
    Flush();
    cut = cut_;
    return std::move(rows_);
  }

 private:
  void Flush() {
    for (size_t i = 0; i < std::max(removed_.size(), added_.size()); ++i) {
      DiffRow row{.kind = DiffRow::Kind::kChanged};
      if (i < removed_.size()) {
        row.has_left = true;
        row.left_number = left_++;
        row.left = std::move(removed_[i]);
      }
      if (i < added_.size()) {
        row.has_right = true;
        row.right_number = right_++;
        row.right = std::move(added_[i]);
      }
      Add(std::move(row));
    }
    removed_.clear();
    added_.clear();
  }
  void Add(DiffRow row) {
    if (rows_.size() >= rows_max_) {
      cut_ = true;
      return;
    }
    rows_.push_back(std::move(row));
  }

  const size_t rows_max_;
  bool cut_ = false;
  uint64_t left_ = 0;
  uint64_t right_ = 0;
  std::vector<std::string> removed_;
  std::vector<std::string> added_;
  std::vector<DiffRow> rows_;
};

}  // namespace

std::vector<DiffRow> SideBySide(std::string_view diff, size_t rows_max, bool& cut) {
  Columns columns(rows_max);
  bool in_hunk = false;
  while (!diff.empty()) {
    const size_t end = diff.find('\n');
    const std::string_view line = diff.substr(0, end);
    diff = end == std::string_view::npos ? "" : diff.substr(end + 1);
    if (line.starts_with("@@")) {
      in_hunk = true;
      columns.Hunk(line);
    } else if (!in_hunk) {
      // The names of both sides say nothing that the page does not.
      if (!line.starts_with("---") && !line.starts_with("+++")) columns.Gap(line);
    } else if (line.starts_with("-")) {
      columns.Removed(line.substr(1));
    } else if (line.starts_with("+")) {
      columns.Added(line.substr(1));
    } else if (line.starts_with(" ") || line.empty()) {
      columns.Same(line.empty() ? line : line.substr(1));
    } else {
      columns.Gap(line);
    }
  }
  return columns.Take(cut);
}

}  // namespace skimwatch::console
