#include "agent/card/iban.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Scan;

bool Holds(const std::string& before, const std::string& digits, const std::string& after) {
  const std::string text = absl::StrCat(before, digits, after);
  return IsInIban(text, before.size(), before.size() + digits.size());
}

// Examples of the SWIFT registry.
TEST(Iban, IsRecognisedByItsCheckDigits) {
  EXPECT_TRUE(Holds("DE89 ", "3704 0044 0532 0130", " 00"));
  EXPECT_TRUE(Holds("IBAN DE89 ", "3704 0044 0532 0130", " 00."));
  EXPECT_TRUE(Holds("DE89-", "3704-0044-0532-0130", "-00"));
  EXPECT_TRUE(Holds("GB82 WEST ", "1234 5698 7654 32", ""));
  EXPECT_TRUE(Holds("FR14 2004 ", "1010 0505 0001 3", "M02 606"));
  EXPECT_TRUE(Holds("DK", "5000400440116243", ""));
  EXPECT_TRUE(Holds("FI", "2112345600000785", "&x=1"));
  EXPECT_TRUE(Holds("NO93 ", "8601 1117 947", ""));
}

TEST(Iban, IsRecognisedByItsFormWhateverTheCheckDigits) {
  EXPECT_TRUE(Holds("DE47 ", "4012 8888 8888 1881", " 25"));
  EXPECT_TRUE(Holds("PL10 ", "4012 8888 8888 1881", " 2512 9999"));
}

TEST(Iban, IsNothingElse) {
  // Wrong check digits and nothing after; a separator of another kind after; no country.
  EXPECT_FALSE(Holds("DE47 ", "4012 8888 8888 1881", ""));
  EXPECT_FALSE(Holds("DE47 ", "4012 8888 8888 1881", ", 25"));
  EXPECT_FALSE(Holds("CC47 ", "4012 8888 8888 1881", " 25"));
  EXPECT_FALSE(Holds("ADE47 ", "4012 8888 8888 1881", " 25"));
  EXPECT_FALSE(Holds("DE 47 ", "4012 8888 8888 1881", " 25"));
  EXPECT_FALSE(Holds("DK", "4012888888881881", ""));
  EXPECT_FALSE(Holds("", "4012 8888 8888 1881", " 25"));
  EXPECT_FALSE(Holds("DE89 3704 0044 0532 0130 00, ", "4012 8888 8888 1881", ""));
}

TEST(Iban, MakesANumberLow) {
  for (const std::string text :
       {"DE47 4012 8888 8888 1881 25", "Konto: DE47 4012 8888 8888 1881 25\n",
        "PL10 4012 8888 8888 1881 2512 9999", "DE47-4012-8888-8888-1881-25"}) {
    const auto found = Scan(text);
    ASSERT_EQ(found.size(), 1u) << text;
    EXPECT_EQ(found[0].confidence, Confidence::kLow) << text;
    EXPECT_THAT(found[0].evidence, ::testing::Contains("against:iban")) << text;
  }
  // A number after an IBAN stays what it is.
  const auto found = Scan("DE89 3704 0044 0532 0130 00, 4012 8888 8888 1881");
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.back().confidence, Confidence::kHigh);
}

}  // namespace
}  // namespace skimwatch::card
