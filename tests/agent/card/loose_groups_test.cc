#include "agent/card/loose_groups.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Found;
using testing::Grouped;
using testing::IsOnly;
using testing::Random;
using testing::Scan;

constexpr const char* kGaps[] = {"\t", "  ", "   ", "\n", "\r\n", "\n    ", "\n\t"};

TEST(LooseGroups, AreLowBareMediumAsAValueAndHighInAFieldThatNamesACard) {
  Random random(1);
  for (const std::string gap : kGaps) {
    for (size_t before = 0; before < 70; ++before) {
      for (const std::string& number :
           {testing::NumberWith(random, "51", 16), testing::NumberWith(random, "37", 15)}) {
        const std::string grouped = testing::BrandGrouped(number, gap);
        const std::vector<Found> bare =
            Scan(absl::StrCat(std::string(before, '.'), " v=", grouped, ";"));
        ASSERT_TRUE(IsOnly(bare, number)) << before;
        EXPECT_EQ(bare[0].confidence, Confidence::kLow);
        EXPECT_EQ(bare[0].offset, before + 3);
        EXPECT_EQ(bare[0].length, grouped.size());
        const std::vector<Found> value = Scan(absl::StrCat("v=\"", grouped, "\";"));
        ASSERT_TRUE(IsOnly(value, number)) << before;
        EXPECT_EQ(value[0].confidence, Confidence::kMedium);
        const std::vector<Found> named = Scan(absl::StrCat("cardNumber: ", grouped, ";"));
        ASSERT_TRUE(IsOnly(named, number)) << before;
        EXPECT_EQ(named[0].confidence, Confidence::kHigh);
      }
    }
  }
}

TEST(LooseGroups, AreFoundOverACut) {
  Random random(2);
  const std::string number = testing::NumberWith(random, "51", 16);
  const std::string text = absl::StrCat("pan=", Grouped(number, {4}, "\r\n"), ".");
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_TRUE(IsOnly(testing::ScanInPieces(text, {cut}), number)) << cut;
  }
}

TEST(LooseGroups, TakesNoNearMiss) {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    const std::string number = testing::NumberWith(random, "4", 16);
    const auto expect_none = [&](const std::string& text) {
      EXPECT_TRUE(Scan(absl::StrCat("cardNumber: ", text, " ;")).empty()) << i;
    };
    for (const std::string gap : kGaps) {
      const std::string row = Grouped(number, {4}, gap);
      expect_none(Grouped(testing::NumberWithWrongCheckDigit(random, "4", 16), {4}, gap));
      // More groups before or after, other groups, another gap within.
      expect_none(absl::StrCat("1234", gap, row));
      expect_none(absl::StrCat(row, gap, "1234"));
      expect_none(Grouped(number, {8}, gap));
      expect_none(absl::StrCat(row.substr(0, row.size() - 4), "\t ", number.substr(12)));
      // Words.
      expect_none(absl::StrCat("a", row));
      expect_none(absl::StrCat(row, "b"));
    }
    expect_none(Grouped(number, {4}, "\n\n"));
    expect_none(Grouped(number, {4}, "     "));
  }
}

}  // namespace
}  // namespace skimwatch::card
