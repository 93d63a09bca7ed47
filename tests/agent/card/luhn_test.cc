#include "agent/card/luhn.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

using testing::DigitsOf;

TEST(Luhn, AcceptsPublishedTestNumbersOfEveryLength) {
  for (const char* number : {"36227206271667", "378282246310005", "4111111111111111",
                             "586824160825533338", "6205500000000000004"}) {
    EXPECT_TRUE(LuhnValid(DigitsOf(number))) << number;
  }
}

TEST(Luhn, RejectsEveryChangedDigit) {
  const std::vector<uint8_t> number = DigitsOf("4111111111111111");
  for (size_t i = 0; i < number.size(); ++i) {
    for (uint8_t change = 1; change < 10; ++change) {
      std::vector<uint8_t> changed = number;
      changed[i] = static_cast<uint8_t>((changed[i] + change) % 10);
      EXPECT_FALSE(LuhnValid(changed)) << "place " << i << " changed by " << int{change};
    }
  }
}

TEST(Luhn, RejectsTransposedDigits) {
  const std::vector<uint8_t> number = DigitsOf("378282246310005");
  for (size_t i = 0; i + 1 < number.size(); ++i) {
    const int sum = number[i] + number[i + 1];
    // Equal digits, and 0 and 9, look the same to the check digit.
    const bool blind = number[i] == number[i + 1] || (sum == 9 && number[i] * number[i + 1] == 0);
    if (blind) continue;
    std::vector<uint8_t> swapped = number;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_FALSE(LuhnValid(swapped)) << "places " << i << " and " << i + 1;
  }
}

TEST(Luhn, RejectsFewerThanTwoDigits) {
  EXPECT_FALSE(LuhnValid({}));
  EXPECT_FALSE(LuhnValid(DigitsOf("0")));
}

TEST(Luhn, GivesTheCheckDigitThatPasses) {
  testing::Random random(1);
  for (size_t length = 1; length < 30; ++length) {
    std::vector<uint8_t> digits = DigitsOf(testing::RandomDigits(random, length));
    digits.push_back(LuhnCheckDigit(digits));
    EXPECT_TRUE(LuhnValid(digits)) << length;
  }
}

TEST(Gtin, KnowsBothLengthsAndNoOther) {
  EXPECT_TRUE(GtinValid(DigitsOf("4006381333931")));
  EXPECT_TRUE(GtinValid(DigitsOf("10012345678902")));
  EXPECT_FALSE(GtinValid(DigitsOf("4006381333932")));
  EXPECT_FALSE(GtinValid(DigitsOf("036000291452")));
}

}  // namespace
}  // namespace skimwatch::card
