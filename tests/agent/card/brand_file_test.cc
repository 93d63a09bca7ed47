#include "agent/card/brand_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/card/mask.h"
#include "agent/card/scanner.h"
#include "gmock/gmock.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::card {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(std::string_view yaml) {
  const absl::StatusOr<BrandTable> table = ParseBrandTable(yaml, "b.yaml");
  return table.ok() ? "none" : std::string(table.status().message());
}

TEST(BrandFile, IsReadWithItsDefaults) {
  const auto table = ParseBrandTable(
      "ranges:\n"
      "  - {brand: shop, first: \"077\", last: \"078\", lengths: \"16\"}\n"
      "  - {brand: gift, first: \"70\", lengths: \"14,18-19\", luhn: none, weight: rare,\n"
      "     groups: [4-6-4], iin_digits: 8, source: letter of the issuer}\n",
      "b.yaml");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->brands(), 2u);
  const BrandRange& shop = table->ranges()[0];
  EXPECT_EQ(shop.first, "077");
  EXPECT_EQ(shop.last, "078");
  EXPECT_EQ(shop.luhn, LuhnRule::kRequired);
  EXPECT_EQ(shop.weight, IssuerWeight::kCommon);
  EXPECT_EQ(shop.iin_digits, 6);
  const BrandRange& gift = table->ranges()[1];
  EXPECT_EQ(gift.last, "70");
  EXPECT_EQ(gift.luhn, LuhnRule::kNone);
  EXPECT_EQ(gift.weight, IssuerWeight::kRare);
  EXPECT_EQ(gift.groups, std::vector<std::string>{"4-6-4"});
  EXPECT_EQ(gift.iin_digits, 8);
  EXPECT_EQ(DescribeBrandTable("b.yaml", *table), "b.yaml: 2 ranges of 2 brands");
}

// File, line and column, range and field, what was found, and what to do.
TEST(BrandFile, NamesThePlaceOfAnErrorAndWhatToDo) {
  struct Case {
    std::string yaml;
    std::string error;
  };
  const std::string row = "ranges:\n  - {brand: shop, first: \"70\", lengths: \"16\"}\n";
  const std::vector<Case> cases = {
      {"", "b.yaml:1:1: ranges: found none, expected at least one range"},
      {"ranges: []", "b.yaml:1:1: ranges: found none, expected at least one range"},
      {row + "  - {brand: Shop Card, first: \"71\", lengths: \"16\"}",
       "b.yaml:3:6: ranges[1].brand: found `Shop Card`, expected lower-case letters"},
      {row + "  - {brand: shop, frist: \"71\", lengths: \"16\"}",
       "b.yaml:3:19: ranges[1].frist: found an unknown key, expected `first` perhaps"},
      {row + "  - {brand: shop, lengths: \"16\"}",
       "b.yaml:3:5: ranges[1].first: found nothing, expected a prefix of 1 to 8 digits"},
      {row + "  - {brand: shop, first: \"71\", last: \"7\", lengths: \"16\"}",
       "b.yaml:3:32: ranges[1].last: found `7`, expected as many digits as `first`, 2"},
      {row + "  - {brand: shop, first: \"71\", lengths: \"11-16\"}",
       "b.yaml:3:32: ranges[1].lengths: found `11-16`, expected lengths as `16`, `16-19` or"},
      {row + "  - {brand: shop, first: \"71\", lengths: \"16\", luhn: maybe}",
       "b.yaml:3:47: ranges[1].luhn: found `maybe`, expected one of: required, usual, none"},
      {row + "  - {brand: shop, first: \"71\", lengths: \"16\", iin_digits: 7}",
       "ranges[1].iin_digits: found `7`, expected 6 or 8"},
      {row + "  - {brand: other, first: \"69\", last: \"71\", lengths: \"12-19\"}",
       "b.yaml:3:5: ranges[1]: found other 69-71, which overlaps shop 70-70 for 16 digits "
       "(ranges[0], line 2), expected one range for each number: give one of them a longer prefix"},
      {row + "  - &x [", "b.yaml:"},
  };
  for (const Case& one : cases) EXPECT_THAT(ErrorOf(one.yaml), HasSubstr(one.error));
  // All at once.
  EXPECT_THAT(ErrorOf("ranges:\n  - {brand: A, first: x, lengths: 5}\n"),
              ::testing::AllOf(HasSubstr("brand: "), HasSubstr("first: "), HasSubstr("lengths: ")));
}

TEST(BrandFile, IsLoadedByItsPathOrIsTheBuiltInOne) {
  const auto built_in = LoadBrandTable("built-in");
  ASSERT_TRUE(built_in.ok());
  EXPECT_EQ(built_in->get(), &BrandTable::Default());
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/brands.yaml";
  EXPECT_EQ(LoadBrandTable(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(LoadBrandTable(path).status().message()), HasSubstr(path));
  // The built-in table is a file of the same form.
  const auto own = LoadBrandTable(SKIMWATCH_SOURCE_DIR "/agent/card/brands.yaml");
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ((*own)->ranges().size(), BrandTable::Default().ranges().size());
}

// A table that was replaced holds for what is shown as well: a name with a number of a brand that
// only it knows is redacted.
TEST(BrandFile, HoldsForTheScanAndForWhatIsShown) {
  testing::Random random(11);
  const std::string number = testing::NumberWith(random, "7712", 16);
  const auto table =
      ParseBrandTable("ranges: [{brand: shop, first: \"7712\", lengths: \"16\"}]", "b.yaml");
  ASSERT_TRUE(table.ok()) << table.status();
  class Brands final : public MatchSink {
   public:
    void OnMatch(const CardMatch& match) override { brands.emplace_back(match.brand); }
    std::vector<std::string> brands;
  } sink;
  for (const BrandTable* const brands : {&BrandTable::Default(), &*table}) {
    ScanStream stream({}, *brands);
    stream.Begin({});
    stream.Feed("card_number=" + number + "&", sink);
    stream.Finish(sink);
  }
  EXPECT_EQ(sink.brands, std::vector<std::string>{"shop"});

  const std::string name = "/orders/" + number + ".txt";
  EXPECT_TRUE(RedactCardNumbers(name) == name);
  SetRedactionBrands(*table);
  EXPECT_EQ(RedactCardNumbers(name), "/orders/****************.txt");
  SetRedactionBrands(BrandTable::Default());
}

}  // namespace
}  // namespace skimwatch::card
