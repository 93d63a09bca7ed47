#include "proto/validation/card_digits.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

// Test numbers must not reach a test's output: failures name the case, never the text.
namespace skimwatch::validation {
namespace {

struct Case {
  const char* name;
  std::string text;
};

TEST(CardDigits, FindsWhatCouldBeACard) {
  const std::vector<Case> cases = {
      {"visa", "4111111111111111"},
      {"visa of 13", "4222222222222"},
      {"visa of 19", "4000000000000000006"},
      {"mastercard", "5555555555554444"},
      {"mastercard 2-series", "2223003122003222"},
      {"amex", "378282246310005"},
      {"diners of 14", "30569309025904"},
      {"discover", "6011111111111117"},
      {"jcb", "3566002020360505"},
      {"unionpay", "6200000000000005"},
      {"maestro", "6759649826438453"},
      {"in text", "pan=4111111111111111;"},
      {"between letters", "x4111111111111111y"},
      {"spaces", "4111 1111 1111 1111"},
      {"hyphens", "4111-1111-1111-1111"},
      {"no-break spaces",
       "4111\xC2\xA0"
       "1111\xC2\xA0"
       "1111\xC2\xA0"
       "1111"},
      {"percent-encoded spaces", "4111%201111%201111%201111"},
      {"amex groups", "3782 822463 10005"},
      {"diners groups", "3056 930902 5904"},
      {"digit by digit", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
      {"in pairs", "41-11-11-11-11-11-11-11"},
      {"two halves", "41111111 11111111"},
      {"after a date with the same separator", "2024-05-01-4111111111111111"},
      {"groups after a number", "17 4111 1111 1111 1111"},
      {"zeros before", "0004111111111111111"},
      {"a code behind", "4111111111111111123"},
      {"a date behind", "41111111111111111227"},
      {"mixed separators", "4111-1111 1111-1111"},
      {"doubled separators", "4111--1111--1111--1111"},
      {"commas", "4111,1111,1111,1111"},
      {"colons", "4111:1111:1111:1111"},
      {"bars with spaces", "4111 | 1111 | 1111 | 1111"},
      {"amex groups, loosely", "3782: 822463: 10005"},
      {"a date behind in a group", "4111~1111~1111~1111~1227"},
      {"second of two", "4111111111111112 4111111111111111"},
  };
  for (const Case& c : cases) {
    EXPECT_FALSE(FindCardNumber(c.text).empty()) << c.name;
    std::string masked = c.text;
    EXPECT_TRUE(MaskCardNumbers(masked)) << c.name;
    EXPECT_TRUE(FindCardNumber(masked).empty()) << c.name;
    EXPECT_EQ(masked.size(), c.text.size()) << c.name;
  }
}

TEST(CardDigits, LeavesWhatCanNotBeACard) {
  const std::vector<Case> cases = {
      {"empty", ""},
      {"wrong check digit", "4111111111111112"},
      {"twelve digits", "411111111111"},
      {"a mask", "411111******1111"},
      {"milliseconds since 1970", "1718000000006"},
      {"microseconds since 1970", "1718000000000003"},
      {"nanoseconds since 1970", "1718000000000000009"},
      {"date and time", "20240501123450"},
      {"ean-13", "9780201379624"},
      {"20 digits", "41111111111111121116"},
      {"an address", "192.168.100.200"},
      {"dates", "2024-05-01 2024-05-02 2024-05-03"},
      {"uuid", "41111111-1111-4111-8111-111111111111"},
      {"an address and a port", "192.168.100.200:52344"},
      {"letters between groups", "4111a1111b1111c1111"},
      {"four bytes between groups", "4111 -- 1111 -- 1111 -- 1111"},
      {"visa of 14", "41111111111111"},
  };
  for (const Case& c : cases) {
    std::string text = c.text;
    EXPECT_FALSE(MaskCardNumbers(text)) << c.name;
    EXPECT_EQ(text, c.text) << c.name;
  }
}

TEST(CardDigits, MasksDigitsAndKeepsTheRest) {
  std::string text = "a 4111-1111-1111-1111, b 378282246310005.";
  EXPECT_TRUE(MaskCardNumbers(text));
  EXPECT_TRUE(text == "a ****-****-****-****, b ***************.");
}

TEST(CardDigits, TakesTimeInProportionToTheText) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "4 1 1 ";
  // Quadratic work would take minutes.
  MaskCardNumbers(text);
  const std::string digits(2000000, '4');
  EXPECT_TRUE(FindCardNumber(digits).empty());
}

}  // namespace
}  // namespace skimwatch::validation
