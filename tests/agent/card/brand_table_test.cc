#include "agent/card/brand_table.h"

#include <gtest/gtest.h>

#include <bitset>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/card/luhn.h"
#include "agent/card/test_numbers.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

using testing::DigitsOf;

// The brand of a number that begins with `prefix` and is `length` long.
std::string BrandOf(std::string_view prefix, size_t length) {
  std::vector<uint8_t> digits = DigitsOf(prefix);
  digits.resize(length, 5);
  return std::string(BrandTable::Default().Find(digits).brand);
}

struct Edge {
  std::string brand;
  std::string prefix;
  std::vector<size_t> lengths;
};

TEST(BrandTable, GivesEachRangeToItsBrandFromTheFirstPrefixToTheLast) {
  const std::vector<Edge> edges = {
      {"visa", "40", {13, 16, 18, 19}},
      {"visa", "49", {13, 16, 18, 19}},
      {"mastercard", "51", {16}},
      {"mastercard", "55", {16}},
      {"mastercard", "2221", {16}},
      {"mastercard", "2720", {16}},
      {"amex", "34", {15}},
      {"amex", "37", {15}},
      {"discover", "6011", {16, 17, 18, 19}},
      {"discover", "644", {16, 17, 18, 19}},
      {"discover", "649", {16, 17, 18, 19}},
      {"discover", "653", {16, 17, 18, 19}},
      {"discover", "622126", {16, 17, 18, 19}},
      {"discover", "622925", {16, 17, 18, 19}},
      {"unionpay", "622125", {16, 17, 18, 19}},
      {"unionpay", "622926", {16, 17, 18, 19}},
      {"unionpay", "810", {16, 17, 18, 19}},
      {"unionpay", "8171", {16, 17, 18, 19}},
      {"rupay", "8172", {16}},
      {"rupay", "82", {16}},
      {"rupay", "6521", {16}},
      {"rupay", "6522", {16}},
      {"rupay", "508", {16}},
      {"rupay", "603", {16}},
      {"diners", "300", {14, 15, 16, 17, 18, 19}},
      {"diners", "305", {14, 15, 16, 17, 18, 19}},
      {"diners", "3095", {14, 19}},
      {"diners", "36", {14, 19}},
      {"diners", "38", {14, 19}},
      {"diners", "39", {14, 19}},
      {"jcb", "3528", {16, 17, 18, 19}},
      {"jcb", "3589", {16, 17, 18, 19}},
      {"jcb", "2131", {15}},
      {"jcb", "1800", {15}},
      {"uatp", "1799", {15}},
      {"uatp", "1801", {15}},
      {"maestro", "5018", {12, 13, 14, 15, 16, 17, 18, 19}},
      {"maestro", "6759", {12, 19}},
      {"maestro", "6763", {12, 19}},
      {"maestro", "56", {12, 19}},
      {"maestro", "69", {12, 19}},
      {"mir", "2200", {16, 17, 18, 19}},
      {"mir", "2204", {16, 17, 18, 19}},
      {"troy", "9792", {16}},
      {"dankort", "5019", {16}},
      {"dankort", "4571", {16}},
      {"visa", "4570", {16}},
      {"visa", "4572", {16}},
      {"elo", "506699", {16}},
      {"elo", "506778", {16}},
      {"elo", "401178", {16}},
      {"elo", "655058", {16}},
      {"maestro", "506698", {16}},
      {"discover", "655059", {16}},
      {"hipercard", "606282", {16}},
      {"hiper", "637095", {16}},
      {"verve", "506099", {16, 18, 19}},
      {"verve", "506198", {16, 18, 19}},
      {"verve", "507865", {16, 18, 19}},
      {"verve", "507964", {16, 18, 19}},
      {"verve", "650002", {16, 18, 19}},
      {"verve", "650027", {16, 18, 19}},
      {"ukrcard", "60400100", {16, 17, 18, 19}},
      {"ukrcard", "60420099", {16, 17, 18, 19}},
      {"interpayment", "636", {16, 17, 18, 19}},
      {"instapayment", "637", {16}},
      {"instapayment", "639", {16}},
      {"tunion", "31", {19}},
      {"uzcard", "8600", {16}},
      {"uzcard", "5614", {16}},
      {"humo", "9860", {16}},
      {"napas", "9704", {16, 19}},
  };
  for (const Edge& edge : edges) {
    for (const size_t length : edge.lengths) {
      EXPECT_EQ(BrandOf(edge.prefix, length), edge.brand) << edge.prefix << ", " << length;
    }
  }
}

TEST(BrandTable, GivesWhatLiesJustOutsideToNobodyOrANeighbour) {
  const std::vector<Edge> outside = {
      {"", "2220", {16}},        {"", "2721", {16}}, {"", "2205", {16}},       {"", "2199", {16}},
      {"", "306", {14}},         {"", "3094", {14}}, {"", "3096", {14}},       {"", "3527", {16}},
      {"", "3590", {16}},        {"", "33", {15}},   {"", "35", {15}},         {"", "2130", {15}},
      {"", "2132", {15}},        {"", "809", {16}},  {"", "83", {16}},         {"", "9791", {16}},
      {"", "9793", {16}},        {"", "8601", {16}}, {"", "9861", {16}},       {"", "9703", {16}},
      {"", "7", {16}},           {"", "0", {16}},    {"maestro", "643", {16}}, {"", "8172", {19}},
      {"maestro", "5020", {12}},
  };
  for (const Edge& edge : outside) {
    for (const size_t length : edge.lengths) {
      EXPECT_EQ(BrandOf(edge.prefix, length), edge.brand) << edge.prefix << ", " << length;
    }
  }
}

TEST(BrandTable, GivesNoBrandALengthItDoesNotIssue) {
  const std::vector<Edge> lengths = {{"visa", "4", {13, 16, 18, 19}},
                                     {"mastercard", "51", {16}},
                                     {"mastercard", "2221", {16}},
                                     {"amex", "34", {15}},
                                     {"uatp", "1", {15}},
                                     {"tunion", "31", {19}},
                                     {"troy", "9792", {16}},
                                     {"mir", "2200", {16, 17, 18, 19}},
                                     {"jcb", "3528", {16, 17, 18, 19}}};
  for (const Edge& edge : lengths) {
    for (size_t length = 8; length <= 24; ++length) {
      const bool issued =
          std::find(edge.lengths.begin(), edge.lengths.end(), length) != edge.lengths.end();
      EXPECT_EQ(BrandOf(edge.prefix, length), issued ? edge.brand : "")
          << edge.prefix << ", " << length;
    }
  }
}

// Every row of the table, not only those that somebody thought of: its first and last prefix are
// its own or of a longer prefix, and the prefixes on both sides are never given to this row.
TEST(BrandTable, KeepsEveryRowWithinItsEdges) {
  for (const BrandRange& range : BrandTable::Default().ranges()) {
    auto alone = BrandTable::FromRanges({range});
    ASSERT_TRUE(alone.ok()) << alone.status();
    uint64_t first = 0;
    uint64_t last = 0;
    ASSERT_TRUE(absl::SimpleAtoi(range.first, &first));
    ASSERT_TRUE(absl::SimpleAtoi(range.last, &last));
    size_t lengths_found = 0;
    for (size_t length = 12; length <= 19; ++length) {
      const auto found = [&](uint64_t prefix, uint8_t fill) {
        std::vector<uint8_t> digits = DigitsOf(absl::StrCat(prefix));
        digits.resize(length, fill);
        return alone->Find(digits).found();
      };
      const bool issued = found(first, 0);
      lengths_found += issued ? 1 : 0;
      EXPECT_EQ(found(last, 9), issued) << range.brand << " " << range.last << " " << length;
      if (first > 1) {
        EXPECT_FALSE(found(first - 1, 9)) << range.brand << " " << range.first << " " << length;
      }
      // One more digit would make 10 of 9.
      if (absl::StrCat(last + 1).size() == range.last.size()) {
        EXPECT_FALSE(found(last + 1, 0)) << range.brand << " " << range.last << " " << length;
      }
    }
    EXPECT_GT(lengths_found, 0u) << range.brand << " " << range.first;
  }
}

TEST(BrandTable, SaysWhichBrandsPromiseNoCheckDigit) {
  for (const BrandRange& range : BrandTable::Default().ranges()) {
    const bool none = range.brand == "uzcard" || range.brand == "humo" || range.brand == "napas";
    const LuhnRule rule = none                        ? LuhnRule::kNone
                          : range.brand == "unionpay" ? LuhnRule::kUsual
                                                      : LuhnRule::kRequired;
    EXPECT_EQ(range.luhn, rule) << range.brand << " " << range.first;
  }
}

TEST(BrandTable, RefusesQuicklyOnlyWhatNoRowFits) {
  testing::Random random(3);
  for (int i = 0; i < 200'000; ++i) {
    const size_t length = 12 + testing::Below(random, 8);
    const auto digits = DigitsOf(testing::RandomDigits(random, length));
    if (BrandTable::Default().Find(digits).found()) {
      EXPECT_TRUE(BrandTable::Default().Possible(digits[0], digits[1], length));
    }
  }
  EXPECT_FALSE(BrandTable::Default().Possible(7, 0, 16));
  EXPECT_FALSE(BrandTable::Default().Possible(3, 4, 16));
}

TEST(BrandTable, TakesACallersOwnRows) {
  auto table = BrandTable::FromRanges(
      {{.brand = "wide", .first = "7", .last = "7", .lengths = "14-16"},
       {.brand = "narrow", .first = "7770", .last = "7779", .lengths = "16"}});
  ASSERT_TRUE(table.ok()) << table.status();
  std::vector<uint8_t> digits(16, 7);
  EXPECT_EQ(table->Find(digits).brand, "narrow");
  digits[3] = 1;
  digits[2] = 1;
  EXPECT_EQ(table->Find(digits).brand, "wide");
  digits.resize(17, 7);
  EXPECT_FALSE(table->Find(digits).found());
}

TEST(BrandTable, SaysWhatIsWrongWithARow) {
  const std::vector<std::pair<BrandRange, std::string>> wrong = {
      {{.brand = "", .first = "4", .last = "4", .lengths = "16"}, "no brand"},
      {{.brand = "b", .first = "", .last = "", .lengths = "16"}, "1 to 8 digits"},
      {{.brand = "b", .first = "123456789", .last = "123456789", .lengths = "16"}, "1 to 8 digits"},
      {{.brand = "b", .first = "4", .last = "44", .lengths = "16"}, "equally long"},
      {{.brand = "b", .first = "4x", .last = "4x", .lengths = "16"}, "digits only"},
      {{.brand = "b", .first = "5", .last = "4", .lengths = "16"}, "below the first"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = ""}, "lengths"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "11"}, "lengths"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "16-20"}, "lengths"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "19-16"}, "lengths"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "12-13-14"}, "lengths"},
  };
  const BrandRange right = {.brand = "a", .first = "4", .last = "4", .lengths = "16"};
  for (const auto& [range, message] : wrong) {
    const auto table = BrandTable::FromRanges({right, range});
    ASSERT_FALSE(table.ok());
    EXPECT_NE(table.status().message().find(message), absl::string_view::npos) << table.status();
    EXPECT_NE(table.status().message().find("row 2"), absl::string_view::npos) << table.status();
  }
}

TEST(TestNumbers, AreKnownAndTheirNeighboursAreNot) {
  for (const char* number :
       {"4111111111111111", "378282246310005", "6205500000000000004", "30569309025904",
        "8171999900000000021", "122000000000003", "6222040000030012"}) {
    EXPECT_TRUE(IsTestNumber(DigitsOf(number))) << number;
    std::vector<uint8_t> other = DigitsOf(number);
    other[7] = static_cast<uint8_t>((other[7] + 1) % 10);
    EXPECT_FALSE(IsTestNumber(other)) << number;
  }
  EXPECT_FALSE(IsTestNumber({}));
  // The same value with a zero before it is another number.
  EXPECT_FALSE(IsTestNumber(DigitsOf("0378282246310005")));
}

}  // namespace
}  // namespace skimwatch::card
