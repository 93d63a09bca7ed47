#include "agent/card/number_finder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

struct FoundAt {
  size_t begin = 0;
  size_t end = 0;
  Shape shape = Shape::kUngrouped;
};

std::vector<FoundAt> Find(std::string_view text, size_t at = std::string_view::npos) {
  const NumberFinder finder(BrandTable::Default());
  std::vector<FoundAt> found;
  if (at == std::string_view::npos) at = text.find_first_of("0123456789");
  finder.FindInChain(text, at, [&](const Candidate& candidate) {
    found.push_back({candidate.begin, candidate.end, candidate.shape});
  });
  return found;
}

bool Finds(std::string_view text, Shape shape) {
  const std::vector<FoundAt> found = Find(text);
  return found.size() == 1 && found[0].shape == shape;
}

TEST(NumberFinder, ReadsTheGroupsThatBrandsPrint) {
  EXPECT_TRUE(Finds("4111 1111 1111 1111", Shape::kBrandGroups));
  EXPECT_TRUE(Finds("3782 822463 10005", Shape::kBrandGroups));
  EXPECT_TRUE(Finds("3056 930902 5904", Shape::kBrandGroups));
  EXPECT_TRUE(Finds("1354 12345 678911", Shape::kBrandGroups));
  EXPECT_TRUE(Finds("6205 5000 0000 0000 004", Shape::kBrandGroups));
  EXPECT_TRUE(Finds("620550 0000000000004", Shape::kBrandGroups));
  EXPECT_TRUE(Finds("5868 2416 0825 5333 38", Shape::kBrandGroups));
}

TEST(NumberFinder, ReadsFoursOfOtherBrandsAndOddGroupsApart) {
  EXPECT_TRUE(Finds("3782 8224 6310 005", Shape::kFours));
  EXPECT_TRUE(Finds("3056 9309 0259 04", Shape::kFours));
  EXPECT_TRUE(Finds("411111 1111111111", Shape::kOddGroups));
  EXPECT_TRUE(Finds("41111111 11111111", Shape::kOddGroups));
}

TEST(NumberFinder, WantsOneKindOfSingleSeparator) {
  EXPECT_TRUE(Find("4111 1111-1111 1111").empty());
  EXPECT_TRUE(Find("4111  1111  1111  1111").empty());
  EXPECT_TRUE(Find("4111, 1111, 1111, 1111").empty());
  EXPECT_TRUE(Find("4111 1111 1111\n1111").empty());
}

TEST(NumberFinder, LeavesAnExpiryDateOrCodeBesideTheNumberOut) {
  for (const std::string_view rest : {" 12/25", " 12/2025", " 12/25 123", "\t12 25", ",12"}) {
    const std::string text = "4111 1111 1111 1111" + std::string(rest);
    const auto found = Find(text);
    ASSERT_EQ(found.size(), 1u) << rest;
    EXPECT_EQ(found[0].end, 19u) << rest;
  }
  const auto before = Find("1 4111 1111 1111 1111");
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].begin, 2u);
}

TEST(NumberFinder, TakesNoExpiryDateForAGroupWhereBlanksDiffer) {
  EXPECT_TRUE(
      Finds("5868\xC2\xA0"
            "2416\xC2\xA0"
            "0825\xC2\xA0"
            "5333\xC2\xA0"
            "38 03/27",
            Shape::kBrandGroups));
}

TEST(NumberFinder, FindsEachOfSeveralNumbersInARow) {
  EXPECT_EQ(Find("4111111111111111 5555555555554444 378282246310005").size(), 3u);
  EXPECT_EQ(Find("4111 1111 1111 1111 5555 5555 5555 4444").size(), 2u);
  EXPECT_EQ(Find("4111-1111-1111-1111-5555-5555-5555-4444").size(), 2u);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "4111 1111 1111 1111 ";
  EXPECT_EQ(Find(many).size(), 100u);
}

TEST(NumberFinder, FindsTheNumberFromAnyByteOfIt) {
  const std::string_view text = "a 4111 1111 1111 1111 b";
  for (size_t at = 2; at < 21; ++at) {
    const auto found = Find(text, at);
    ASSERT_EQ(found.size(), 1u) << at;
    EXPECT_EQ(found[0].begin, 2u);
    EXPECT_EQ(found[0].end, 21u);
  }
}

TEST(NumberFinder, RefusesSlices) {
  const std::vector<std::string> slices = {
      // Longer runs of digits
      "41111111111111111111",
      "14111111111111111",
      "00004111111111111111",
      // Fractions and exponents
      "0.4111111111111111",
      ".4111111111111111",
      "3.4111111111111111",
      "4111111111111111.5",
      "4111111111111111e10",
      "4111111111111111E-10",
      "4111.1111.1111.1111.2",
      // Hexadecimal strings
      "0x4111111111111111",
      "a4111111111111111f",
      "4111111111111111abcdef",
      "deadbeef4111111111111111",
      // UUIDs
      "550e8400-4111-1111-1111-111111111111",
      "41111111-1111-1111-a716-446655440000",
      "550e8400-e29b-41d4-a716-4111111111111",
      // Escaped digits before and after belong to the number
      "%344111111111111111",
      "4111111111111111%34",
      "4111111111111111\\u0034",
      "4111111111111111&#52;",
  };
  for (const std::string& text : slices) EXPECT_TRUE(Find(text).empty()) << text;
}

TEST(NumberFinder, JudgesBoundariesWithEscapesUndone) {
  for (const std::string text :
       {"%224111111111111111%22", "%3D4111111111111111%26", "\\n4111111111111111\\n",
        "\\u00224111111111111111\\u0022", "\\x224111111111111111\\x22",
        "&quot;4111111111111111&quot;", "\\\"4111111111111111\\\"", "%C3%A94111111111111111",
        "%204111111111111111%20", "%0A4111111111111111%0D%0A"}) {
    const auto found = Find(text, text.find("4111111111111111") + 15);
    ASSERT_EQ(found.size(), 1u) << text;
    EXPECT_EQ(found[0].begin, text.find("4111111111111111")) << text;
    EXPECT_EQ(found[0].end, found[0].begin + 16) << text;
  }
}

TEST(NumberFinder, TakesPunctuationAroundANumber) {
  for (const std::string text :
       {"(4111111111111111)", "4111111111111111.", "4111111111111111, and", "No.4111111111111111",
        "'4111111111111111'", "4111111111111111;", "[4111111111111111]", "4111111111111111/12/25",
        "4111111111111111|12|25", "#4111111111111111", "4111111111111111-123",
        "4111111111111111:"}) {
    EXPECT_EQ(Find(text).size(), 1u) << text;
  }
}

TEST(NumberFinder, ReturnsTheEndOfTheChain) {
  const NumberFinder finder(BrandTable::Default());
  const auto ignore = [](const Candidate&) {};
  const std::string text = "1 2 3 4 5 6 7 x 1";
  EXPECT_EQ(finder.FindInChain(text, 0, ignore), 13u);
  EXPECT_EQ(finder.FindInChain(text, 12, ignore), 13u);
  // It never stays where it is.
  for (size_t at = 0; at < text.size(); ++at) EXPECT_GT(finder.FindInChain(text, at, ignore), at);
}

TEST(NumberFinder, WipesADeadCandidate) {
  Candidate candidate;
  candidate.digits.fill(7);
  candidate.Wipe();
  for (const uint8_t digit : candidate.digits) EXPECT_EQ(digit, 0);
}

// In wire formats the byte after a string may look like one more digit: protobuf's tag of field 6
// is `2`, those of field 7 `8` and `:`.
TEST(NumberFinder, EndsANumberWhereItsLengthSays) {
  testing::Random random(41);
  for (const size_t size : {14u, 15u, 16u, 19u}) {
    const std::string number = testing::NumberWith(random,
                                                   size == 14   ? "36"
                                                   : size == 15 ? "37"
                                                   : size == 16 ? "5105"
                                                                : "4",
                                                   size);
    const std::string length(1, static_cast<char>(size));
    const std::string fix_str(1, static_cast<char>(0xA0 + size));
    for (const std::string& prefix : {"\x2a" + length, "\x0a" + length, "\x8a\x01\x7a" + length,
                                      "\xa3pan" + fix_str, "\xd9" + length}) {
      for (const std::string next : {"2\x05"
                                     "12/27",
                                     "8\x01", "0", "5\x01\x02\x03\x04", ""}) {
        const auto found = testing::Scan("\x01" + prefix + number + next);
        EXPECT_TRUE(testing::IsOnly(found, number)) << size << " digits, " << next.size();
      }
    }
    // A length that is another's, and one that is the end of a letter.
    for (const std::string& prefix : {"\x2a" + std::string(1, static_cast<char>(size - 1)),
                                      "\x2b" + length, "\xc3" + fix_str, length}) {
      EXPECT_TRUE(testing::Scan("\x01" + prefix + number + "2").empty()) << size;
    }
  }
}

}  // namespace
}  // namespace skimwatch::card
