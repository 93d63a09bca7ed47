#include "agent/card/code_list.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Below;
using testing::Found;
using testing::IsOnly;
using testing::Random;
using testing::Scan;

std::string HexCodes(std::string_view text, std::string_view signs) {
  std::string codes;
  for (const char c : text) {
    absl::StrAppend(&codes, codes.empty() ? "" : absl::string_view(signs.data(), signs.size()),
                    absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
  }
  return codes;
}
std::string DecimalCodes(std::string_view text, std::string_view signs) {
  std::string codes;
  for (const char c : text) {
    absl::StrAppend(&codes, codes.empty() ? "" : absl::string_view(signs.data(), signs.size()),
                    static_cast<int>(static_cast<uint8_t>(c)));
  }
  return codes;
}

constexpr std::string_view kSigns[] = {",", ", ", ":", " ", "-", ";", "|", "_"};

TEST(CodeList, IsFoundWithAnySignsBetween) {
  Random random(1);
  for (const std::string_view signs : kSigns) {
    for (int i = 0; i < 100; ++i) {
      const std::string number = testing::NumberWith(random, "51", 16);
      for (const std::string& codes : {HexCodes(number, signs), DecimalCodes(number, signs)}) {
        const std::vector<Found> found = Scan(absl::StrCat("x([", codes, "])"));
        ASSERT_TRUE(IsOnly(found, number)) << "'" << signs << "' " << i;
        EXPECT_EQ(found[0].encodings, std::vector{Encoding::kCharCodes});
        EXPECT_EQ(found[0].offset, 3u);
        EXPECT_EQ(found[0].length, codes.size());
      }
    }
  }
}

TEST(CodeList, HoldsTheNamesAround) {
  Random random(2);
  const std::string number = testing::NumberWith(random, "51", 16);
  const std::string record = absl::StrCat("{\"cardNumber\":\"", number, "\",\"a\":1}");
  for (const std::string& codes : {HexCodes(record, ":"), DecimalCodes(record, ",")}) {
    const std::vector<Found> found = Scan(absl::StrCat("String.fromCharCode(", codes, ")"));
    ASSERT_TRUE(IsOnly(found, number));
    EXPECT_EQ(found[0].confidence, Confidence::kHigh);
  }
}

TEST(CodeList, IsQuotedPrintableAfterEqualsSigns) {
  Random random(3);
  const std::string number = testing::NumberWith(random, "51", 16);
  const std::vector<Found> found = Scan(absl::StrCat("body: =", HexCodes(number, "="), "\r\n"));
  ASSERT_TRUE(IsOnly(found, number));
  EXPECT_EQ(found[0].encodings, std::vector{Encoding::kQuotedPrintable});
}

TEST(CodeList, IsFoundAtEveryPlaceAndCut) {
  Random random(4);
  const std::string number = testing::NumberWith(random, "51", 16);
  const std::string codes = DecimalCodes(number, ",");
  for (size_t before = 0; before < 130; ++before) {
    const std::string text = absl::StrCat(std::string(before, '.'), "[", codes, "]");
    EXPECT_TRUE(IsOnly(Scan(text), number)) << before;
    EXPECT_TRUE(IsOnly(testing::ScanInPieces(text, {before + 1 + before % codes.size()}), number))
        << before;
  }
}

TEST(CodeList, TakesNoNearMiss) {
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    const std::string number = testing::NumberWith(random, "4", 16);
    const auto expect_none = [&](const std::string& codes) {
      EXPECT_TRUE(Scan(absl::StrCat("[", codes, "]")).empty()) << i;
    };
    for (const std::string_view signs : {",", ":"}) {
      expect_none(HexCodes(testing::NumberWithWrongCheckDigit(random, "4", 16), signs));
      expect_none(DecimalCodes(testing::NumberWithWrongCheckDigit(random, "4", 16), signs));
      // A slice of more digits.
      expect_none(HexCodes(absl::StrCat("7", number, "1"), signs));
      expect_none(DecimalCodes(absl::StrCat("000", number, "1"), signs));
    }
    // Signs that change within.
    expect_none(
        absl::StrCat(HexCodes(number.substr(0, 8), ","), ";", HexCodes(number.substr(8), ",")));
  }
}

TEST(FullWidthUtf16, RowsOfPixelsAreNoNumbers) {
  std::string row;
  for (int i = 0; i < 8; ++i) row += "\x15\xFF\x14\xFF";
  EXPECT_TRUE(Scan(row).empty());
  EXPECT_TRUE(Scan(absl::StrCat("\xFF", row)).empty());
  EXPECT_TRUE(Scan(absl::StrCat(std::string("\xFF\0a\xFF", 4), row, "\x85\xFF")).empty());
}

TEST(CodeList, AddressesColoursAndTimesAreNeverAboveLow) {
  Random random(6);
  for (int i = 0; i < 300; ++i) {
    std::string addresses;
    std::string colours;
    std::string times;
    for (int k = 0; k < 40; ++k) {
      absl::StrAppendFormat(&addresses, "%02x%s", Below(random, 256), k % 6 == 5 ? " " : ":");
      absl::StrAppend(&colours, k > 0 ? "," : "", Below(random, 256));
      absl::StrAppendFormat(&times, "%02d:%02d:%02d ", Below(random, 24), Below(random, 60),
                            Below(random, 60));
    }
    for (const std::string& text : {addresses, colours, times}) {
      for (const Found& match : Scan(text)) EXPECT_EQ(match.confidence, Confidence::kLow) << text;
    }
  }
}

}  // namespace
}  // namespace skimwatch::card
