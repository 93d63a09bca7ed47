#include "agent/script/judge/inline_match.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;

// Texts are their own hashes here.
std::vector<int> Match(const std::vector<std::string>& previous,
                       const std::vector<std::string>& current) {
  return MatchInlineScripts(previous, current,
                            [&](int p, int c) { return Likeness(previous[p], current[c]); })
      .previous_of;
}

TEST(InlineMatch, EqualPagesMatchInOrder) {
  EXPECT_THAT(Match({"a", "b", "c"}, {"a", "b", "c"}), ElementsAre(0, 1, 2));
}

TEST(InlineMatch, InsertionIsOneNewScript) {
  EXPECT_THAT(Match({"a", "b", "c"}, {"a", "x", "b", "c"}), ElementsAre(0, -1, 1, 2));
  EXPECT_THAT(Match({"a", "b"}, {"x", "a", "b"}), ElementsAre(-1, 0, 1));
  EXPECT_THAT(Match({"a", "b"}, {"a", "b", "x"}), ElementsAre(0, 1, -1));
}

TEST(InlineMatch, RemovalLeavesTheOthers) {
  EXPECT_THAT(Match({"a", "b", "c"}, {"a", "c"}), ElementsAre(0, 2));
}

TEST(InlineMatch, ChangedScriptIsFoundBetweenItsNeighbours) {
  EXPECT_THAT(Match({"a", "b", "c"}, {"a", "something else", "c"}), ElementsAre(0, 1, 2));
  EXPECT_THAT(Match({"a"}, {"b"}), ElementsAre(0));
}

TEST(InlineMatch, ReorderedScriptsStayThemselves) {
  EXPECT_THAT(Match({"a", "b", "c"}, {"c", "a", "b"}), ElementsAre(2, 0, 1));
}

TEST(InlineMatch, ChangeBesideAnInsertionGoesByLikeness) {
  EXPECT_THAT(Match({"init(1);go();", "end"}, {"evil()", "init(2);go();", "end"}),
              ElementsAre(-1, 0, 1));
  EXPECT_THAT(Match({"init(1);go();", "end"}, {"init(2);go();", "evil()", "end"}),
              ElementsAre(0, -1, 1));
}

TEST(InlineMatch, StrangersInUnequalNumbersAreNew) {
  EXPECT_THAT(Match({"aaaaaaaaaa"}, {"bbbbbbbbbb", "cccccccccc"}), ElementsAre(-1, -1));
}

TEST(InlineMatch, EmptySides) {
  EXPECT_THAT(Match({}, {"a"}), ElementsAre(-1));
  EXPECT_THAT(Match({"a"}, {}), ElementsAre());
}

TEST(InlineMatch, NoOldScriptIsTakenTwice) {
  std::vector<std::string> previous;
  std::vector<std::string> current;
  for (int i = 0; i < 100; ++i) previous.push_back(absl::StrCat("p", i));
  for (int i = 0; i < 2000; ++i) current.push_back(absl::StrCat("c", i));
  std::vector<int> taken(previous.size(), 0);
  for (const int p : Match(previous, current)) {
    if (p >= 0) ++taken[p];
  }
  for (const int times : taken) EXPECT_LE(times, 1);
}

TEST(Likeness, IsTheShareInCommonAtBothEnds) {
  EXPECT_DOUBLE_EQ(Likeness("abcdef", "abcdef"), 1);
  EXPECT_DOUBLE_EQ(Likeness("abXdef", "abYdef"), 5.0 / 6);
  EXPECT_DOUBLE_EQ(Likeness("abc", "xyz"), 0);
  EXPECT_DOUBLE_EQ(Likeness("aa", "aaaa"), 0.5);
  EXPECT_DOUBLE_EQ(Likeness("", "a"), 0);
}

}  // namespace
}  // namespace skimwatch::script
