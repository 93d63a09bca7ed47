#include "agent/card/mask.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/card/brand_table.h"
#include "proto/validation/card_digits.h"
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

TEST(Mask, ShowsFirstEightWhereTheIssuersNumberHasThem) {
  const auto mask = [](std::string_view number, uint8_t iin_digits) {
    return Mask(SecretDigits(DigitsOf(number)), MaskStyle::kFirst8Last4, iin_digits);
  };
  EXPECT_EQ(mask("4111111111111111", 8), "41111111****1111");
  EXPECT_EQ(mask("6205500000000000004", 8), "62055000*******0004");
  // PCI SSC FAQ 1091: fewer than sixteen digits, or a shorter issuer's number, are first six.
  EXPECT_EQ(mask("4111111111111111", 6), "411111******1111");
  EXPECT_EQ(mask("378282246310005", 8), "378282*****0005");
  EXPECT_EQ(mask("36227206271667", 8), "362272****1667");
}

TEST(Mask, ShowsFirstEightOfTheBrandsThatTheTableNames) {
  const auto iin_digits = [](std::string_view number) {
    return BrandTable::Default().Find(DigitsOf(number)).iin_digits;
  };
  EXPECT_EQ(iin_digits("4111111111111111"), 8);
  EXPECT_EQ(iin_digits("2223003122003222"), 8);
  EXPECT_EQ(iin_digits("3566002020360505"), 8);
  EXPECT_EQ(iin_digits("6011111111111117"), 8);
  EXPECT_EQ(iin_digits("6200000000000005"), 8);
  EXPECT_EQ(iin_digits("378282246310005"), 6);
  EXPECT_EQ(iin_digits("6759649826438453"), 6);
}

TEST(Mask, KnowsItsStylesByName) {
  EXPECT_EQ(MaskStyleOf("first6last4"), MaskStyle::kFirst6Last4);
  EXPECT_EQ(MaskStyleOf("first8last4"), MaskStyle::kFirst8Last4);
  EXPECT_EQ(MaskStyleOf("last4"), MaskStyle::kLast4);
  EXPECT_EQ(MaskStyleOf("none"), MaskStyle::kNone);
  EXPECT_EQ(MaskStyleOf("first4"), std::nullopt);
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

TEST(Redact, HidesGroupsWithAnythingBetween) {
  for (const std::string text : {"4012a8888b8888c1881", "4012 and 8888 and 8888 and 1881",
                                 "x3782then822463then10005y", "4012<b>8888</b>8888<i>1881",
                                 "4012\xE2\x80\xA2"
                                 "8888\xE2\x80\xA2"
                                 "8888\xE2\x80\xA2"
                                 "1881"}) {
    const std::string redacted = RedactCardNumbers(text);
    EXPECT_EQ(redacted.find_first_of("0123456789"), std::string::npos) << redacted;
    EXPECT_EQ(redacted.size(), text.size());
  }
  // No number, or too far apart.
  for (const std::string text : {"4012a8888b8888c1882", "4012 and 8888 and 8888 and then 1881",
                                 "on 2024-01-02 at 10:00:00, 1234 of 5678"}) {
    EXPECT_EQ(RedactCardNumbers(text), text);
  }
}

TEST(Redact, HidesListsOfCharacterCodes) {
  testing::Random random(6);
  for (int i = 0; i < 200; ++i) {
    const std::string number = testing::NumberWith(random, i % 2 == 0 ? "4" : "53", 16);
    for (const char* format :
         {"%d,", "%d, ", "0x%02x,", "\\%d ", "&#%d; ", "U+%04X ", "[%d]", "%03d,"}) {
      std::string text = "f(";
      for (const char c : number) {
        char code[16];
        snprintf(code, sizeof(code), format, c);
        text += code;
      }
      text += ")";
      const std::string redacted = RedactCardNumbers(text);
      EXPECT_EQ(redacted.size(), text.size());
      EXPECT_EQ(redacted.find_first_of("123456789"), std::string::npos) << format;
    }
  }
  const std::string other = "[10,13,52,49,50,200,48,57,56,52,49,49,49,49,49,49]";
  EXPECT_EQ(RedactCardNumbers(other), other);
}

// Whatever numbers are written in, beside each other and into each other.
TEST(Redact, LeavesNothingToFind) {
  testing::Random random(7);
  const auto& forms = testing::EveryEncoding();
  testing::ScanSetup deep;
  deep.options.decode_depth = 4;
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (uint64_t parts = 1 + testing::Below(random, 6); parts > 0; --parts) {
      const std::string number = testing::NumberWith(random, "4", 16);
      const auto part = [&](size_t at) { return number.substr(at, 4); };
      std::string written;
      switch (testing::Below(random, 8)) {
        case 0:
          written = number;
          break;
        case 1:
          written = testing::BrandGrouped(number, " ");
          break;
        case 2:
          written =
              absl::StrCat("n1=", part(0), "&n2=", part(4), "&n3=", part(8), "&n4=", part(12));
          break;
        case 3:
          written = absl::StrCat("[\"", part(0), "\",\"", part(4), "\",\"", part(8), "\",\"",
                                 part(12), "\"]");
          break;
        case 4:
          written = absl::StrCat("5A08", number, "5F24");
          break;
        case 5:
          written = absl::StrCat(";", number, "=27122011234567?");
          break;
        case 6:
          written = absl::StrCat("Z\x08", absl::HexStringToBytes(number));
          break;
        default:
          written = absl::StrCat("\x2a\x10", number, "2\x05", "12/27");
          break;
      }
      if (testing::Below(random, 2) == 0)
        written = forms[testing::Below(random, forms.size())].encode(written);
      text += written;
      if (testing::Below(random, 3) != 0) text += " ;\n,x"[testing::Below(random, 5)];
    }
    const std::string redacted = RedactCardNumbers(text);
    ASSERT_EQ(redacted.size(), text.size());
    EXPECT_TRUE(testing::Scan(redacted, deep).empty()) << "round " << round;
    EXPECT_TRUE(validation::FindCardNumber(redacted).empty()) << "round " << round;
    EXPECT_EQ(RedactCardNumbers(redacted), redacted) << "round " << round;
  }
}

}  // namespace
}  // namespace skimwatch::card
