#include "agent/script/judge/text_diff.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TextDiff Diff(std::string_view previous, std::string_view current, size_t bytes_max = 65536) {
  absl::StatusOr<TextDiff> diff = DiffTexts("js/app.js", previous, current, bytes_max);
  EXPECT_TRUE(diff.ok()) << diff.status();
  return *std::move(diff);
}

TEST(TextDiff, IsUnifiedWithThreeLinesOfContext) {
  const TextDiff diff = Diff("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nE\nf\n");
  EXPECT_EQ(diff.text,
            "--- js/app.js (previous)\n+++ js/app.js (current)\n@@ -2,5 +2,5 @@ a\n b\n c\n "
            "d\n-e\n+E\n f\n");
  EXPECT_EQ(diff.truncated_bytes, 0u);
}

TEST(TextDiff, OfEqualTextsIsEmpty) { EXPECT_EQ(Diff("same\n", "same\n").text, ""); }

TEST(TextDiff, AgainstNothingShowsAll) {
  EXPECT_THAT(Diff("", "one\ntwo\n").text, HasSubstr("@@ -0,0 +1,2 @@\n+one\n+two\n"));
}

TEST(TextDiff, OfMinifiedCodeShowsTheStatement) {
  std::string minified;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&minified, "var v", i, "=f(", i, ");");
  std::string altered = minified;
  altered.insert(minified.find("var v2500="), "new Image().src=u+d;");
  const TextDiff diff = Diff(minified, altered);
  EXPECT_THAT(diff.text, HasSubstr("\n+new Image().src=u+d;\n"));
  EXPECT_LT(diff.text.size(), 400u);
}

TEST(TextDiff, InsertionIntoALongStringIsLocal) {
  // No statement ends and no commas: broken by length, up to the next statement's end only.
  const std::string before = absl::StrCat("var a='", std::string(2000, 'x'), "';", "var b='",
                                          std::string(5000, 'y'), "';");
  std::string after = before;
  after.insert(100, "zzz");
  EXPECT_THAT(Diff(before, after).text, Not(HasSubstr("+yyy")));
}

TEST(TextDiff, MasksCardNumbersOnBothSidesAndInContext) {
  const TextDiff diff = Diff("a=1\npan='4111111111111111'\nold='5555 5555 5555 4444'\n",
                             "a=1\npan='4111111111111111'\nnew='4012-8888-8888-1881'\n");
  EXPECT_TRUE(validation::FindCardNumber(diff.text).empty());
  EXPECT_THAT(diff.text, AllOf(HasSubstr(" pan='****************'"), HasSubstr("-old='*****"),
                               HasSubstr("+new='*****")));
}

TEST(TextDiff, SaysThatOnlyACardNumberChanged) {
  const TextDiff diff = Diff("pan='4111111111111111'\n", "pan='4012888888881881'\n");
  EXPECT_EQ(diff.text, "js/app.js: differs only in card numbers, line ends or unprintable bytes\n");
}

TEST(TextDiff, NumberSplitByALongLinesBreakIsMasked) {
  // The number stands where the line would be broken by length.
  const std::string head(505, 'x');
  const TextDiff diff = Diff(head, absl::StrCat(head, "4111111111111111", head));
  EXPECT_TRUE(validation::FindCardNumber(diff.text).empty());
  EXPECT_THAT(diff.text, Not(HasSubstr("41111")));
}

TEST(TextDiff, IsPrintableWhateverTheBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const TextDiff diff = Diff("", bytes);
  EXPECT_TRUE(validation::IsUtf8(diff.text));
  EXPECT_FALSE(validation::HasControlCharacter(diff.text, true));
  EXPECT_THAT(diff.text, HasSubstr("\xEF\xBF\xBD"));
}

TEST(TextDiff, CutsAtTheLimitAndCountsTheRest) {
  const std::string line = "0123456789abcdef\n";
  std::string current;
  for (int i = 0; i < 1000; ++i) current += line;
  const TextDiff whole = Diff("", current, 1 << 20);
  const TextDiff cut = Diff("", current, 1000);
  EXPECT_LE(cut.text.size(), 1000u);
  EXPECT_GT(cut.text.size(), 900u);
  EXPECT_EQ(cut.text.size() + cut.truncated_bytes, whole.text.size());
  EXPECT_EQ(cut.text, whole.text.substr(0, cut.text.size()));
}

TEST(TextDiff, LargeTextsAreNotCompared) {
  EXPECT_EQ(Diff("", std::string(kDiffTextBytesMax + 1, 'x')).text,
            "js/app.js: not compared, since a version is larger than 4 MiB\n");
}

TEST(TextDiff, HostileNameStaysInItsLine) {
  absl::StatusOr<TextDiff> diff = DiffTexts("a\n+evil\x1b[2J 4111111111111111", "a\n", "b\n", 4096);
  ASSERT_TRUE(diff.ok());
  EXPECT_THAT(diff->text,
              AllOf(Not(HasSubstr("\n+evil")), Not(HasSubstr("\x1b")), Not(HasSubstr("41111"))));
}

}  // namespace
}  // namespace skimwatch::script
