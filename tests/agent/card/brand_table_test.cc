#include "agent/card/brand_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "agent/card/built_in_data.h"
#include "agent/card/luhn.h"
#include "agent/card/test_numbers.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

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

// What the table must say, the slow and obvious way: of all rows that fit, the longest prefix.
std::string Expected(absl::Span<const BrandRange> ranges, const std::vector<uint8_t>& digits) {
  std::string text;
  for (const uint8_t digit : digits) text.push_back(static_cast<char>('0' + digit));
  const BrandRange* best = nullptr;
  for (const BrandRange& range : ranges) {
    const std::string prefix = text.substr(0, range.first.size());
    if (prefix < range.first || prefix > range.last) continue;
    bool issued = false;
    for (const auto part : absl::StrSplit(range.lengths, ',')) {
      const std::vector<std::string> bounds = absl::StrSplit(part, '-');
      issued = issued || (digits.size() >= std::stoul(bounds.front()) &&
                          digits.size() <= std::stoul(bounds.back()));
    }
    if (!issued) continue;
    if (best == nullptr || range.first.size() > best->first.size()) best = &range;
  }
  return best == nullptr ? "" : best->brand;
}

// The prefix before `first` or after `last`; empty where there is none of that many digits.
std::string Beside(const std::string& prefix, int step) {
  const int64_t value = std::stoll(prefix) + step;
  if (value < 0) return "";
  const std::string text = absl::StrCat(value);
  if (text.size() > prefix.size()) return "";
  return std::string(prefix.size() - text.size(), '0') + text;
}

// Every row of the data, not only those that somebody thought of, at its edges and on both sides of
// them, in each length and its neighbours.
TEST(BrandTable, KeepsEveryRowWithinItsEdges) {
  const BrandTable& all = BrandTable::Default();
  for (const BrandRange& range : all.ranges()) {
    auto alone = BrandTable::FromRanges({range});
    ASSERT_TRUE(alone.ok()) << alone.status();
    struct Place {
      std::string prefix;
      uint8_t fill;
      bool inside;
    };
    const std::vector<Place> places = {{range.first, 0, true},
                                       {range.last, 9, true},
                                       {Beside(range.first, -1), 9, false},
                                       {Beside(range.last, 1), 0, false}};
    size_t lengths_found = 0;
    for (const Place& place : places) {
      if (place.prefix.empty()) continue;
      for (size_t length = 11; length <= 20; ++length) {
        std::vector<uint8_t> digits = DigitsOf(place.prefix);
        digits.resize(length, place.fill);
        const std::string here = absl::StrCat(range.brand, " ", place.prefix, ", ", length);
        EXPECT_EQ(alone->Find(digits).brand, Expected({&range, 1}, digits)) << here;
        EXPECT_EQ(all.Find(digits).brand, Expected(all.ranges(), digits)) << here;
        const bool found = alone->Find(digits).found();
        EXPECT_TRUE(place.inside || !found) << here;
        lengths_found += found ? 1 : 0;
      }
    }
    EXPECT_GE(lengths_found, 2u) << range.brand << " " << range.first;
  }
}

struct PrefixRange {
  uint32_t first;
  uint32_t last;
};

bool IsIn(uint32_t six, const std::vector<PrefixRange>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const PrefixRange& range) {
    return six >= range.first && six <= range.last;
  });
}

// Written from other sources than the data: for Elo github.com/erikhenrique/bin-cc, for the others
// the networks' own announcements. Every prefix of six digits is asked for.
TEST(BrandTable, AgreesWithAnIndependentListOnEveryPrefixOfSixDigits) {
  const std::vector<PrefixRange> elo = {
      {401178, 401179}, {431274, 431274}, {438935, 438935}, {451416, 451416}, {457393, 457393},
      {457631, 457632}, {504175, 504175}, {506699, 506778}, {509000, 509999}, {627780, 627780},
      {636297, 636297}, {636368, 636368}, {650031, 650033}, {650035, 650051}, {650405, 650439},
      {650485, 650538}, {650541, 650598}, {650700, 650718}, {650720, 650727}, {650901, 650978},
      {651652, 651679}, {655000, 655019}, {655021, 655058}};
  const std::vector<PrefixRange> mastercard = {{510000, 559999}, {222100, 272099}};
  const std::vector<PrefixRange> amex = {{340000, 349999}, {370000, 379999}};
  const std::vector<PrefixRange> mir = {{220000, 220499}};
  const std::vector<PrefixRange> jcb = {{352800, 358999}};
  const std::vector<PrefixRange> troy = {{979200, 979299}};
  const std::vector<PrefixRange> dankort = {{501900, 501999}, {457100, 457199}};
  const std::vector<PrefixRange> verve = {{506099, 506198}, {507865, 507964}, {650002, 650027}};
  const std::vector<PrefixRange> rupay_co_branded = {{652100, 652299}};
  const std::vector<PrefixRange> no_check_digit = {
      {860000, 860099}, {561400, 561499}, {986000, 986099}, {970400, 970499}};
  for (uint32_t six = 0; six < 1'000'000; ++six) {
    const std::string prefix = absl::StrFormat("%06d", six);
    const std::string brand = BrandOf(prefix, 16);
    ASSERT_EQ(brand == "elo", IsIn(six, elo)) << prefix;
    ASSERT_EQ(brand == "mastercard", IsIn(six, mastercard)) << prefix;
    ASSERT_EQ(brand == "mir", IsIn(six, mir)) << prefix;
    ASSERT_EQ(brand == "jcb", IsIn(six, jcb)) << prefix;
    ASSERT_EQ(brand == "troy", IsIn(six, troy)) << prefix;
    ASSERT_EQ(brand == "dankort", IsIn(six, dankort)) << prefix;
    ASSERT_EQ(brand == "verve", IsIn(six, verve)) << prefix;
    ASSERT_EQ(brand == "visa", six / 100'000 == 4 && !IsIn(six, elo) && !IsIn(six, dankort))
        << prefix;
    ASSERT_TRUE(brand == "rupay" || !IsIn(six, rupay_co_branded)) << prefix;
    ASSERT_EQ(BrandTable::Default().Find(DigitsOf(prefix + "0000000000")).luhn == LuhnRule::kNone,
              IsIn(six, no_check_digit) && brand != "maestro")
        << prefix << " " << brand;
    ASSERT_EQ(BrandOf(prefix, 15) == "amex", IsIn(six, amex)) << prefix;
    ASSERT_EQ(BrandOf(prefix, 19) == "unionpay",
              (six / 10'000 == 62 && !(six >= 622126 && six <= 622925)) ||
                  (six >= 810000 && six <= 817199))
        << prefix;
  }
}

TEST(BrandTable, HasIssuerNumbersOfEightDigits) {
  const auto brand_of = [](const char* text) {
    std::vector<uint8_t> digits = DigitsOf(text);
    digits.resize(16, 5);
    return std::string(BrandTable::Default().Find(digits).brand);
  };
  EXPECT_EQ(brand_of("63737423"), "hiper");
  EXPECT_NE(brand_of("63737422"), "hiper");
  EXPECT_NE(brand_of("63737424"), "hiper");
  EXPECT_EQ(brand_of("60400100"), "ukrcard");
  EXPECT_NE(brand_of("60400099"), "ukrcard");
  EXPECT_EQ(brand_of("60420099"), "ukrcard");
  EXPECT_NE(brand_of("60420100"), "ukrcard");
}

TEST(BrandTable, SaysWhichGroupsABrandPrints) {
  const auto match = [](const char* prefix, size_t length) {
    std::vector<uint8_t> digits = DigitsOf(prefix);
    digits.resize(length, 5);
    return BrandTable::Default().Find(digits);
  };
  const std::vector<uint8_t> fours = {4, 4, 4, 4};
  EXPECT_TRUE(match("4", 16).Prints(fours));
  EXPECT_TRUE(match("37", 15).Prints({4, 6, 5}));
  EXPECT_FALSE(match("37", 15).Prints({4, 4, 4, 3}));
  EXPECT_TRUE(match("1", 15).Prints({4, 5, 6}));
  EXPECT_FALSE(match("1", 15).Prints({4, 6, 5}));
  EXPECT_TRUE(match("36", 14).Prints({4, 6, 4}));
  EXPECT_FALSE(match("36", 14).Prints({4, 4, 4, 2}));
  EXPECT_TRUE(match("36", 16).Prints(fours));
  EXPECT_TRUE(match("4", 13).Prints({4, 3, 3, 3}));
  EXPECT_TRUE(match("62", 19).Prints({6, 13}));
  EXPECT_FALSE(match("62", 19).Prints({6, 12}));
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
  struct Wrong {
    BrandRange range;
    std::string field;
    std::string message;
  };
  const std::vector<Wrong> wrong = {
      {{.brand = "", .first = "4", .last = "4", .lengths = "16"}, "brand", "found nothing"},
      {{.brand = "B", .first = "4", .last = "4", .lengths = "16"}, "brand", "lower-case"},
      {{.brand = "b", .first = "", .last = "", .lengths = "16"}, "first", "1 to 8 digits"},
      {{.brand = "b", .first = "123456789", .last = "123456789", .lengths = "16"},
       "first",
       "1 to 8 digits"},
      {{.brand = "b", .first = "4", .last = "44", .lengths = "16"}, "last", "as many digits"},
      {{.brand = "b", .first = "4x", .last = "4x", .lengths = "16"}, "first", "1 to 8 digits"},
      {{.brand = "b", .first = "5", .last = "4", .lengths = "16"}, "last", "at least `first`, 5"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = ""}, "lengths", "12 to 19"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "11"}, "lengths", "found `11`"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "16-20"}, "lengths", "12 to 19"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "19-16"}, "lengths", "12 to 19"},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "12-13-14"}, "lengths", "12 to 19"},
      {{.brand = "b", .first = "5", .last = "5", .lengths = "16", .groups = {"5-5-6"}},
       "groups",
       "4-6-5"},
      {{.brand = "b", .first = "5", .last = "5", .lengths = "16", .iin_digits = 7},
       "iin_digits",
       "6 or 8"},
  };
  const BrandRange right = {.brand = "a", .first = "4", .last = "4", .lengths = "16"};
  for (const auto& [range, field, message] : wrong) {
    const auto table = BrandTable::FromRanges({right, range});
    ASSERT_FALSE(table.ok());
    const std::string text(table.status().message());
    EXPECT_NE(text.find(message), std::string::npos) << text;
    EXPECT_NE(text.find("row 2, " + field + ":"), std::string::npos) << text;
  }
  EXPECT_FALSE(BrandTable::FromRanges({}).ok());
}

TEST(BrandTable, RefusesRowsThatContradictOneAnother) {
  const BrandRange base = {.brand = "a", .first = "40", .last = "45", .lengths = "16,18"};
  struct Case {
    BrandRange range;
    bool contradicts;
  };
  const std::vector<Case> cases = {
      {{.brand = "b", .first = "45", .last = "47", .lengths = "16"}, true},
      {{.brand = "b", .first = "39", .last = "40", .lengths = "18"}, true},
      {{.brand = "b", .first = "41", .last = "42", .lengths = "16-19"}, true},
      // The same brand twice is no less a question: which row's check digit?
      {{.brand = "a", .first = "41", .last = "42", .lengths = "16", .luhn = LuhnRule::kNone}, true},
      {{.brand = "b", .first = "46", .last = "47", .lengths = "16"}, false},
      {{.brand = "b", .first = "41", .last = "42", .lengths = "17,19"}, false},
      {{.brand = "b", .first = "410", .last = "429", .lengths = "16"}, false},
      {{.brand = "b", .first = "4", .last = "4", .lengths = "16"}, false},
  };
  for (const Case& one : cases) {
    for (const bool first : {false, true}) {
      const auto table = first ? BrandTable::FromRanges({one.range, base})
                               : BrandTable::FromRanges({base, one.range});
      EXPECT_EQ(!table.ok(), one.contradicts) << one.range.first << ": " << table.status();
    }
  }
}

TEST(BrandTable, HasALimitOfBrands) {
  std::vector<BrandRange> ranges;
  for (size_t i = 0; i <= BrandTable::kBrandsMax; ++i) {
    const std::string prefix = absl::StrCat(100 + i);
    ranges.push_back(
        {.brand = absl::StrCat("b", i), .first = prefix, .last = prefix, .lengths = "16"});
  }
  EXPECT_FALSE(BrandTable::FromRanges(ranges).ok());
  ranges.pop_back();
  const auto table = BrandTable::FromRanges(ranges);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->brands(), BrandTable::kBrandsMax);
}

// Each row of the data, found by the scan and labelled.
TEST(TestNumbers, AreEachFoundAndLabelled) {
  size_t rows = 0;
  for (const auto line :
       absl::StrSplit(absl::string_view(TestNumbersTsv().data(), TestNumbersTsv().size()), '\n')) {
    if (line.empty() || line.front() == '#') continue;
    ++rows;
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    ASSERT_EQ(fields.size(), 2u) << line;
    EXPECT_FALSE(fields[1].empty()) << line;
    const std::string& number = fields[0];
    EXPECT_TRUE(IsTestNumber(DigitsOf(number))) << number;
    const std::vector<testing::Found> found = testing::Scan("card_number=" + number + "&x=1");
    ASSERT_EQ(found.size(), 1u) << number;
    EXPECT_TRUE(found[0].test_card) << number;
    EXPECT_NE(found[0].brand, "") << number;
    EXPECT_EQ(found[0].masked.size(), number.size());
    std::vector<uint8_t> other = DigitsOf(number);
    other[7] = static_cast<uint8_t>((other[7] + 1) % 10);
    EXPECT_FALSE(IsTestNumber(other)) << number;
  }
  EXPECT_EQ(rows, 74u);
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
