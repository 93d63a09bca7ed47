#include "agent/script/judge/literal_finder.h"

#include <algorithm>
#include <cctype>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "agent/script/judge/fact_rules.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Places = std::vector<std::pair<size_t, std::string>>;

Places All(const std::vector<std::string>& literals, const std::string& text) {
  const LiteralFinder finder(literals);
  Places places;
  for (auto place = finder.Next(text, 0); place; place = finder.Next(text, place->begin + 1)) {
    places.emplace_back(place->begin, literals[place->literal]);
  }
  return places;
}

// What it should find, one place after the other.
Places Plainly(const std::vector<std::string>& literals, const std::string& text) {
  std::string lower = text;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  Places places;
  for (size_t at = 0; at < lower.size(); ++at) {
    const std::string* longest = nullptr;
    for (const std::string& literal : literals) {
      if (lower.compare(at, literal.size(), literal) != 0) continue;
      if (longest == nullptr || literal.size() > longest->size()) longest = &literal;
    }
    if (longest != nullptr) places.emplace_back(at, *longest);
  }
  return places;
}

TEST(LiteralFinder, FindsInAnyCaseAndTheLongestOfSeveral) {
  EXPECT_THAT(All({"fetch", "fetch(", "atob"}, "a Fetch(x); FETCH; aTOB"),
              ElementsAre(Pair(2, "fetch("), Pair(12, "fetch"), Pair(19, "atob")));
}

TEST(LiteralFinder, FindsWhatOverlaps) {
  EXPECT_THAT(All({"abc", "bcd", "cd"}, "abcd"),
              ElementsAre(Pair(0, "abc"), Pair(1, "bcd"), Pair(2, "cd")));
}

TEST(LiteralFinder, FindsAtBothEnds) {
  EXPECT_THAT(All({"\\d"}, "\\d"), ElementsAre(Pair(0, "\\d")));
  EXPECT_THAT(All({"\\d"}, "0123456789\\d"), ElementsAre(Pair(10, "\\d")));
  EXPECT_THAT(All({"abc"}, "ab"), IsEmpty());
  EXPECT_THAT(All({"abc"}, ""), IsEmpty());
}

TEST(LiteralFinder, DoesNotTakeBytesForLettersThatDifferInOneBit) {
  // `[` and `{`, `@` and a grave accent, a control character and a letter.
  EXPECT_THAT(All({"[0-9]", "`//"}, "{0-9} @// [0-9}"), IsEmpty());
}

TEST(LiteralFinder, FindsWhatComparingEverywhereFinds) {
  std::vector<std::string> literals;
  for (const FactRule& rule : FactRules()) {
    for (const std::string_view trigger : rule.triggers) {
      if (std::find(literals.begin(), literals.end(), trigger) == literals.end()) {
        literals.emplace_back(trigger);
      }
    }
  }
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::string text;
    while (text.size() < 2000) {
      std::string piece = literals[random() % literals.size()];
      if (random() % 2 == 0) piece.resize(random() % (piece.size() + 1));
      for (char& c : piece) {
        if (random() % 4 == 0) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        if (random() % 40 == 0) c = static_cast<char>(random());
      }
      text += piece;
    }
    EXPECT_EQ(All(literals, text), Plainly(literals, text));
  }
}

}  // namespace
}  // namespace skimwatch::script
