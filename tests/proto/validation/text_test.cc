#include "proto/validation/text.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::validation {
namespace {

TEST(Text, KnowsWellFormedUtf8) {
  for (const char* text : {"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x92\xB3"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  const std::string bad[] = {"\x80",
                             "\xC3",
                             "\xC0\xAF",
                             "\xE0\x80\xAF",
                             "\xED\xA0\x80",
                             "\xF4\x90\x80\x80",
                             "\xF8\x88\x80\x80\x80",
                             "a\xFF"};
  for (const std::string& text : bad) EXPECT_FALSE(IsUtf8(text));
}

TEST(Text, FindsWhatCouldSteerATerminal) {
  EXPECT_TRUE(HasControlCharacter("a\x1B[2J", false));
  EXPECT_TRUE(HasControlCharacter("a\x7F", true));
  EXPECT_TRUE(HasControlCharacter("a\xC2\x9B", true));
  EXPECT_TRUE(HasControlCharacter("a\nb", false));
  EXPECT_TRUE(HasControlCharacter(std::string("a\0b", 3), true));
  EXPECT_FALSE(HasControlCharacter("a\n\tb", true));
  EXPECT_FALSE(HasControlCharacter("\xC2\xA0\xC3\xA4", false));
}

TEST(Text, ReplacesOnlyWhatIsUnprintable) {
  std::string text = "a\x1B\xC3\xA4\xFF\xE2\x82z\nb";
  ReplaceUnprintable(text, /*lines=*/true);
  EXPECT_EQ(text, "a?\xC3\xA4???z\nb");
  ReplaceUnprintable(text, /*lines=*/false);
  EXPECT_EQ(text, "a?\xC3\xA4???z?b");
}

TEST(Text, CutsBetweenCharacters) {
  std::string text =
      "a\xE2\x82\xAC"
      "b";
  CutUtf8(text, 4);
  EXPECT_EQ(text, "a\xE2\x82\xAC");
  CutUtf8(text, 3);
  EXPECT_EQ(text, "a");
  CutUtf8(text, 0);
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace skimwatch::validation
