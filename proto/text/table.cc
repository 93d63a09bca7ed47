#include "proto/text/table.h"

#include <algorithm>

#include "proto/text/columns.h"
#include "proto/text/printable.h"

namespace skimwatch::text {
namespace {

constexpr std::string_view kGap = "  ";
// A column is not cut below this.
constexpr size_t kShrunkMin = 8;

}  // namespace

void Table::AddRow(const std::vector<std::string>& cells) {
  std::vector<std::string>& row = rows_.emplace_back();
  for (size_t i = 0; i < columns_.size(); ++i) {
    row.push_back(i < cells.size() ? Printable(cells[i]) : "");
    if (row.back().empty()) row.back().push_back('-');
  }
}

std::vector<size_t> Table::Widths(size_t columns, bool headers) const {
  std::vector<size_t> widths;
  size_t total = kGap.size() * (columns_.size() - 1);
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = std::max(columns_[i].columns_min, headers ? Columns(columns_[i].name) : 0);
    for (const auto& row : rows_) width = std::max(width, Columns(row[i]));
    widths.push_back(width);
    total += width;
  }
  while (columns > 0 && total > columns) {
    size_t widest = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].shrinks && widths[i] > kShrunkMin &&
          (widest == columns_.size() || widths[i] > widths[widest])) {
        widest = i;
      }
    }
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

std::string Table::Render(size_t columns, bool headers) const {
  const std::vector<size_t> widths = Widths(columns, headers);
  std::string out;
  const auto add = [&](size_t i, const std::string& cell) {
    const std::string shown = columns_[i].shrinks ? Cut(cell, widths[i]) : cell;
    const size_t used = Columns(shown);
    const size_t pad = widths[i] > used ? widths[i] - used : 0;
    if (i > 0) out.append(kGap);
    if (columns_[i].right) out.append(pad, ' ');
    out.append(shown);
    if (!columns_[i].right && i + 1 < columns_.size()) out.append(pad, ' ');
  };
  if (headers) {
    for (size_t i = 0; i < columns_.size(); ++i) add(i, columns_[i].name);
    out.push_back('\n');
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < columns_.size(); ++i) add(i, row[i]);
    out.push_back('\n');
  }
  return out;
}

}  // namespace skimwatch::text
