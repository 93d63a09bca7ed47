#ifndef SKIMWATCH_PROTO_TEXT_TABLE_H_
#define SKIMWATCH_PROTO_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::text {

// Rows in aligned columns. Cells are data from outside: what could steer a terminal is escaped.
// Where the rows are wider than the terminal, the columns that may shrink are cut, widest first,
// and an ellipsis says so.
//
//   Table table({{.name = "ID", .right = true}, {.name = "CHANNEL", .shrinks = true}});
//   table.AddRow({"12", "POST /collect"});
//   std::cout << table.Render(columns, /*headers=*/true);
class Table {
 public:
  struct Column {
    std::string name;
    // Aligned at the right, as numbers are.
    bool right = false;
    bool shrinks = false;
    // Least width, for tables whose rows come one by one.
    size_t columns_min = 0;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void AddRow(const std::vector<std::string>& cells);

  // Every line ends with a line feed. `columns` 0 is no limit.
  std::string Render(size_t columns, bool headers) const;

 private:
  std::vector<size_t> Widths(size_t columns, bool headers) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace skimwatch::text

#endif  // SKIMWATCH_PROTO_TEXT_TABLE_H_
