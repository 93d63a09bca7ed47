#include "agent/card/mask.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::DigitsOf;

std::string MaskOf(std::string_view number, MaskStyle style) {
  return Mask(SecretDigits(DigitsOf(number)), style);
}

TEST(Mask, ShowsFirstSixAndLastFour) {
  EXPECT_EQ(MaskOf("4111111111111111", MaskStyle::kFirst6Last4), "411111******1111");
  EXPECT_EQ(MaskOf("378282246310005", MaskStyle::kFirst6Last4), "378282*****0005");
  EXPECT_EQ(MaskOf("6205500000000000004", MaskStyle::kFirst6Last4), "620550*********0004");
}

TEST(Mask, ShowsLastFourOrNothing) {
  EXPECT_EQ(MaskOf("4111111111111111", MaskStyle::kLast4), "************1111");
  EXPECT_EQ(MaskOf("4111111111111111", MaskStyle::kNone), "****************");
}

TEST(Mask, ShowsNothingOfWhatIsTooShort) {
  EXPECT_EQ(MaskOf("41111111111", MaskStyle::kFirst6Last4), "***********");
  EXPECT_EQ(MaskOf("", MaskStyle::kFirst6Last4), "");
}

TEST(Redact, LeavesTextWithoutNumbersAsItIs) {
  for (const std::string text :
       {"", "x", "nothing to see", "order 12345, 2024-01-02 10:00:00", "1700000000000"}) {
    EXPECT_EQ(RedactCardNumbers(text), text);
  }
}

TEST(Redact, OverwritesNumbersOfAnyConfidenceAtTheSameLength) {
  EXPECT_EQ(RedactCardNumbers("order=4111111111111111;"), "order=****************;");
  EXPECT_EQ(RedactCardNumbers("a 4111 1111 1111 1111 b 378282246310005"),
            "a ******************* b ***************");
  EXPECT_EQ(RedactCardNumbers("%22cc%22:%224111111111111111%22"),
            "%22cc%22:%22****************%22");
  EXPECT_EQ(RedactCardNumbers("x NDExMTExMTExMTExMTExMQ== y"), "x ************************ y");
}

TEST(Redact, LeavesNothingToFindInAnyEncoding) {
  testing::Random random(5);
  for (const testing::NamedEncoding& outer : testing::EveryEncoding()) {
    for (const testing::NamedEncoding& inner : testing::EveryEncoding()) {
      const std::string number = testing::NumberWith(random, "5203", 16);
      const std::string text =
          absl::StrCat("<a> ", outer.encode(inner.encode("pan=" + number)), " </a>");
      const std::string redacted = RedactCardNumbers(text);
      EXPECT_EQ(redacted.size(), text.size());
      testing::ScanSetup deep;
      deep.options.decode_depth = 4;
      EXPECT_TRUE(testing::Scan(redacted, deep).empty()) << inner.name << " in " << outer.name;
    }
  }
}

}  // namespace
}  // namespace skimwatch::card
