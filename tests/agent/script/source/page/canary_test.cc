#include "agent/script/source/page/canary.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/card/brand_table.h"
#include "agent/card/luhn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A published test number.
constexpr char kNumber[] = "4111111111111111";
// Of more digits that differ, so that no form is met by chance.
constexpr char kCanary[] = "4000001234567899";

bool IsCardNumber(const std::string& number) {
  std::vector<uint8_t> digits;
  for (const char c : number) digits.push_back(static_cast<uint8_t>(c - '0'));
  return card::LuhnValid(digits);
}

TEST(MakeCanary, MakesAnotherNumberEachTime) {
  config::v1::PageCanary config;
  config.set_issuer("400000");
  const absl::StatusOr<CanaryCard> one = MakeCanary(config);
  const absl::StatusOr<CanaryCard> two = MakeCanary(config);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->number.size(), 16);
  EXPECT_EQ(one->number.substr(0, 6), "400000");
  EXPECT_TRUE(IsCardNumber(one->number));
  EXPECT_TRUE(one->number != two->number);
}

TEST(MakeCanary, TakesTheNumberOfAFile) {
  const testing::TempFolder folder;
  config::v1::PageCanary config;
  config.set_number_file(folder.File("number"));
  std::ofstream(folder.File("number")) << " " << kNumber << "\n";
  const absl::StatusOr<CanaryCard> card = MakeCanary(config);
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_TRUE(card->number == kNumber);
}

TEST(MakeCanary, NamesAFileThatHoldsNoNumber) {
  const testing::TempFolder folder;
  config::v1::PageCanary config;
  config.set_number_file(folder.File("number"));
  EXPECT_TRUE(absl::IsNotFound(MakeCanary(config).status()));
  for (const char* const content : {"", "4111", "4111111111111112", "4111-1111-1111-1111"}) {
    std::ofstream(folder.File("number")) << content;
    const absl::Status status = MakeCanary(config).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << content;
    EXPECT_THAT(status.message(), HasSubstr(folder.File("number")));
    EXPECT_THAT(status.message(), Not(HasSubstr("4111")));
  }
}

TEST(FillIn, PutsTheCardIntoAText) {
  const CanaryCard card{.number = kNumber, .expiry = "12/30", .cvc = "123", .name = "Ada Winter"};
  EXPECT_EQ(FillIn("{name}: {expiry} {cvc}", card), "Ada Winter: 12/30 123");
  EXPECT_TRUE(FillIn("{card}", card) == kNumber);
  EXPECT_TRUE(AsksForCard("a{card}"));
  EXPECT_FALSE(AsksForCard("{cvc}"));
}

class Counter final : public card::MatchSink {
 public:
  void OnMatch(const card::CardMatch& /*match*/) override { ++matches; }
  int matches = 0;
};

std::string Base64(std::string_view text) {
  return absl::Base64Escape(absl::string_view(text.data(), text.size()));
}

std::string Changed(std::string text, char (*change)(char)) {
  for (char& c : text) c = change(c);
  return text;
}

TEST(CanaryFinder, FindsEveryFormThatItKnows) {
  const std::string number = kCanary;
  const std::string reversed(number.rbegin(), number.rend());
  std::string codes;
  std::string spread;
  for (const char c : number) {
    absl::StrAppend(&codes, static_cast<int>(c), ",");
    absl::StrAppend(&spread, "d=", std::string(1, c), "&");
  }
  struct Case {
    const char* name;
    std::string text;
    std::vector<std::string> encodings;
  };
  const std::string shifted = Changed(number, [](char c) { return static_cast<char>(c + 20); });
  const std::string masked = Changed(number, [](char c) { return static_cast<char>(c ^ 0x5a); });
  const Case cases[] = {
      {"plain", absl::StrCat("n=", number), {}},
      {"base64", Base64(absl::StrCat("{\"n\":\"", number, "\"}")), {"base64"}},
      {"hexadecimal", absl::BytesToHexString(number), {"hex"}},
      {"two fields",
       absl::StrCat("{\"a\":\"", number.substr(0, 8), "\",\"b\":\"", number.substr(8), "\"}"),
       {"split"}},
      {"a field a digit", spread, {"split"}},
      {"reversed", reversed, {"reversed"}},
      {"character codes", codes, {"char_codes"}},
      {"shifted", shifted, {"shift"}},
      {"exclusive or", masked, {"xor"}},
      {"reversed in base64", Base64(absl::StrCat("x", reversed)), {"base64", "reversed"}},
      {"shifted in base64 in a query",
       absl::StrCat("https://e.example/?d=", Base64(shifted)),
       {"base64", "shift"}},
      {"base64 twice", Base64(Base64(absl::StrCat("card ", masked))), {"base64", "base64", "xor"}},
  };
  CanaryFinder finder(number, {}, card::BrandTable::Default());
  for (const Case& one : cases) {
    const auto found = finder.Find(one.text, {.is_request = true}, nullptr);
    ASSERT_TRUE(found.has_value()) << one.name;
    // What the engine sees first it names in its own way.
    if (!one.encodings.empty() && found->size() == one.encodings.size() &&
        one.encodings[0] != "split") {
      EXPECT_EQ(*found, one.encodings) << one.name;
    }
  }
}

TEST(CanaryFinder, FindsNothingWhereItIsNot) {
  CanaryFinder finder(kCanary, {}, card::BrandTable::Default());
  std::string noise;
  for (int i = 0; i < 20000; ++i) noise.push_back(static_cast<char>('0' + i * 7919 % 75));
  for (const std::string& text : {std::string(), std::string("4000001234567"), noise, Base64(noise),
                                  std::string(1000, '0'), absl::BytesToHexString(noise)}) {
    EXPECT_FALSE(finder.Find(text, {}, nullptr).has_value());
  }
}

TEST(CanaryFinder, HandsOverOtherCards) {
  CanaryFinder finder(kCanary, {}, card::BrandTable::Default());
  Counter others;
  EXPECT_FALSE(finder.Find(absl::StrCat("cardnumber=", kNumber), {}, &others).has_value());
  EXPECT_EQ(others.matches, 1);
  EXPECT_TRUE(finder.Find(absl::StrCat("cardnumber=", kCanary), {}, &others).has_value());
  EXPECT_EQ(others.matches, 1);
}

}  // namespace
}  // namespace skimwatch::script
