#include "proto/text/table.h"

#include <clocale>

#include "gtest/gtest.h"
#include "proto/text/columns.h"

namespace skimwatch::text {
namespace {

TEST(Table, AlignsColumnsAndShowsADashForNothing) {
  Table table({{.name = "ID", .right = true}, {.name = "NAME"}, {.name = "X"}});
  table.AddRow({"1", "a", "z"});
  table.AddRow({"100", "", "z"});
  EXPECT_EQ(table.Render(0, true),
            " ID  NAME  X\n"
            "  1  a     z\n"
            "100  -     z\n");
  EXPECT_EQ(table.Render(0, false),
            "  1  a  z\n"
            "100  -  z\n");
}

TEST(Table, CutsTheWidestOfTheColumnsThatMayShrink) {
  Table table({{.name = "A", .shrinks = true}, {.name = "B", .shrinks = true}, {.name = "C"}});
  table.AddRow({"0123456789abcdef", "0123456789", "0123456789"});
  EXPECT_EQ(table.Render(34, false), "012345678…  0123456789  0123456789\n");
  // Not below what can still be read: a terminal that is too narrow wraps.
  EXPECT_EQ(table.Render(10, false), "0123456…  0123456…  0123456789\n");
}

TEST(Table, CountsColumnsOfTextAndNotBytes) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  Table table({{.name = "A", .shrinks = true}, {.name = "B"}});
  table.AddRow({"漢字", "x"});
  table.AddRow({"éé", "x"});
  EXPECT_EQ(table.Render(0, false), "漢字  x\néé    x\n");
  EXPECT_EQ(Cut("漢字漢字", 4), "漢…");
  EXPECT_EQ(Cut("abc", 3), "abc");
  EXPECT_EQ(Cut("abcd", 3), "ab…");
  EXPECT_EQ(Cut("abcd", 0), "");
}

TEST(Table, EscapesCells) {
  Table table({{.name = "A"}});
  table.AddRow({"a\n\x1b[31mb"});
  EXPECT_EQ(table.Render(0, false), "a\\n\\x1b[31mb\n");
}

}  // namespace
}  // namespace skimwatch::text
