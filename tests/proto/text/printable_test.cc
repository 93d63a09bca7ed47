#include "proto/text/printable.h"

#include <string>

#include "gtest/gtest.h"
#include "proto/text/utf8.h"

namespace skimwatch::text {
namespace {

TEST(Printable, LeavesTextAlone) {
  for (const auto text : {"", "a b", "é ü 漢 🂡", "back\\slash \"quoted\""}) {
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(Printable, CannotForgeALineOrSteerATerminal) {
  EXPECT_EQ(Printable("a\nb\r\tc"), "a\\nb\\x0d\\tc");
  EXPECT_EQ(Printable("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(Printable(std::string("\0", 1)), "\\x00");
  // C1: U+009B begins a control sequence as ESC [ does.
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\u{009b}2J");
  // The reading direction, and line separators.
  EXPECT_EQ(Printable("a\u202eb\u2066c\u2028"), "a\\u{202e}b\\u{2066}c\\u{2028}");
}

TEST(Printable, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("a\xff"
                      "b"),
            "a\\xffb");
  EXPECT_EQ(Printable("\xc3"), "\\xc3");
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");
}

TEST(JsonEscaped, MakesTheInsideOfAString) {
  EXPECT_EQ(JsonEscaped("a\"b\\c\nd\x01"), "a\\\"b\\\\c\\nd\\u0001");
  EXPECT_EQ(JsonEscaped("\xff\u202e\x7f"), "\\ufffd\\u202e\\u007f");
  EXPECT_EQ(JsonEscaped("é🂡"), "é🂡");
}

TEST(Utf8, AcceptsOnlyShortestFormsOfRealCharacters) {
  for (const std::string_view good : {"a", "\x7f", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                      "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(Utf8SequenceBytes(good), good.size());
  }
  for (const std::string_view bad :
       {"", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2", "\xe1\x80", "\xf1\x80\x80"}) {
    EXPECT_EQ(Utf8SequenceBytes(bad), 0u);
  }
  EXPECT_EQ(Utf8ValidBytes("ab\xc3\xa9\xffz"), 4u);
}

}  // namespace
}  // namespace skimwatch::text
