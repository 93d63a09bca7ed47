// How sure the scanner is, and why: docs/detection.md has the weights.

#include "agent/card/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using ::testing::Contains;
using testing::Found;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Scan;

// The one match in `text`.
Found Only(std::string_view text, const ScanContext& context = {}) {
  testing::ScanSetup setup;
  setup.context = context;
  const std::vector<Found> found = Scan(text, setup);
  EXPECT_EQ(found.size(), 1u) << text;
  return found.empty() ? Found{} : found[0];
}

constexpr std::string_view kNumber = "4012888888881881";
constexpr absl::string_view kOther = "5555555555554444";

// `text` with kNumber for its `N`.
std::string WithNumber(std::string_view text) {
  std::string filled;
  for (const char c : text) {
    if (c == 'N') {
      filled += kNumber;
    } else {
      filled += c;
    }
  }
  return filled;
}

Confidence LevelIn(std::string_view text) { return Only(text).confidence; }

TEST(Confidence, IsMediumForANumberInNeutralText) {
  for (const std::string text :
       {"4111111111111111", "pay 4111111111111111 now", "2024-01-02 10:00:00 INFO 4111111111111111",
        "a;b;4111111111111111;c", "x,378282246310005,y", "5555555555554444\n",
        "\"4111111111111111\"", "2223003122003222", "6011111111111117", "3566002020360505",
        "36227206271667", "6200000000000005"}) {
    EXPECT_EQ(LevelIn(text), Confidence::kMedium) << text;
  }
}

TEST(Confidence, IsHighWithTheBrandsGroups) {
  for (const std::string text :
       {"4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005", "3056 930902 5904",
        "5555_5555_5555_4444", "6011+1111+1111+1117", "4111%201111%201111%201111"}) {
    const Found found = Only(text);
    EXPECT_EQ(found.confidence, Confidence::kHigh) << text;
    EXPECT_THAT(found.evidence, Contains("brand_grouping")) << text;
  }
}

// A version, an address or a row of readings may have such groups.
TEST(Confidence, IsHighWithDotsBetweenGroupsOnlyWhereMoreSpeaksForIt) {
  for (const std::string text :
       {"4111.1111.1111.1111", "v 5555.5555.5555.4444\n", "3782.822463.10005"}) {
    const Found found = Only(text);
    EXPECT_EQ(found.confidence, Confidence::kMedium) << text;
    EXPECT_THAT(found.evidence, Contains("dotted_groups")) << text;
    EXPECT_THAT(found.evidence, Not(Contains("brand_grouping"))) << text;
  }
  for (const std::string text :
       {"card 4111.1111.1111.1111", "4111.1111.1111.1111 12/27", "cvv=123 4111.1111.1111.1111"}) {
    EXPECT_EQ(LevelIn(text), Confidence::kHigh) << text;
  }
}

TEST(Confidence, IsHighWhereTheFieldIsNamed) {
  for (const std::string name : {"cardNumber",
                                 "card_number",
                                 "card-number",
                                 "CARDNUMBER",
                                 "cardno",
                                 "ccnum",
                                 "cc",
                                 "CC",
                                 "cc-number",
                                 "ccNumber",
                                 "pan",
                                 "PAN",
                                 "card[number]",
                                 "payment[cc_number]",
                                 "creditCard",
                                 "credit_card_number",
                                 "paymentMethod.card.number",
                                 "txtCardNumber",
                                 "kreditkarte",
                                 "kreditkartennummer",
                                 "kartennummer",
                                 "numero_tarjeta",
                                 "numeroCarte",
                                 "cardPan",
                                 "primaryAccountNumber",
                                 "acct",
                                 "account_number"}) {
    for (const std::string& text :
         {absl::StrCat("{\"", name, "\":\"4111111111111111\"}"),
          absl::StrCat("{\"x\":1,\"", name, "\": 4111111111111111}"),
          absl::StrCat("a=b&", name, "=4111111111111111&c=d"),
          absl::StrCat("%22", name, "%22%3A%224111111111111111%22"),
          absl::StrCat("<", name, ">4111111111111111</", name, ">"),
          absl::StrCat("<input type='text' name='", name, "' value='4111111111111111'>"),
          absl::StrCat("Content-Disposition: form-data; name=\"", name,
                       "\"\r\n\r\n4111111111111111\r\n"),
          absl::StrCat("X-Data: 1\r\n", name, ": 4111111111111111\r\n"),
          absl::StrCat("{\"key\":\"", name, "\",\"value\":\"4111111111111111\"}")}) {
      const Found found = Only(text);
      EXPECT_EQ(found.confidence, Confidence::kHigh) << text;
      EXPECT_THAT(found.evidence, Contains(HasSubstr("field_name:"))) << text;
    }
  }
}

TEST(Confidence, IsHighInPlainWords) {
  for (const std::string text :
       {"Card number: 4111111111111111", "card number is 4111111111111111",
        "my credit card 4111111111111111", "Card No. 4111111111111111", "Visa 4111111111111111",
        "CC# 4111111111111111", "Kartennummer 4111111111111111",
        "paid with card 4111111111111111 today"}) {
    EXPECT_EQ(LevelIn(text), Confidence::kHigh) << text;
  }
}

TEST(Confidence, IsLowWhereTheNameSaysSomethingElse) {
  for (const std::string name :
       {"timestamp", "ts",           "imei",         "iccid",   "tracking",      "trackingNumber",
        "order",     "orderId",      "order_number", "phone",   "tel",           "isbn",
        "gtin",      "ean",          "sku",          "id",      "user_id",       "uuid",
        "lat",       "lng",          "longitude",    "nonce",   "hash",          "sessionid",
        "token",     "invoice",      "cardToken",    "card_id", "transactionId", "request_id",
        "barcode",   "serialNumber", "ordernumber"}) {
    for (const std::string& text : {absl::StrCat("{\"", name, "\":\"4111111111111111\"}"),
                                    absl::StrCat("{\"", name, "\":4111111111111111}"),
                                    absl::StrCat("/p?", name, "=4111111111111111&c=d"),
                                    absl::StrCat("<", name, ">4111111111111111</", name, ">"),
                                    absl::StrCat(name, ": 4111111111111111")}) {
      const Found found = Only(text);
      EXPECT_EQ(found.confidence, Confidence::kLow) << text;
      EXPECT_THAT(found.evidence, Contains(HasSubstr("against:field_name:"))) << text;
    }
  }
}

TEST(Confidence, IsLowForShortAndRareNumbersAlone) {
  testing::Random random(1);
  EXPECT_EQ(LevelIn(testing::NumberWith(random, "4", 13)), Confidence::kLow);
  EXPECT_EQ(LevelIn(testing::NumberWith(random, "67", 12)), Confidence::kLow);
  EXPECT_EQ(LevelIn(testing::NumberWith(random, "57", 17)), Confidence::kLow);
  EXPECT_EQ(LevelIn(testing::NumberWith(random, "17", 15)), Confidence::kLow);
  // And more where the field is named.
  EXPECT_NE(LevelIn("cardnumber=" + testing::NumberWith(random, "4", 13)), Confidence::kLow);
}

TEST(Confidence, FallsForNumbersThatLookMadeUp) {
  EXPECT_EQ(LevelIn("4444444444444448"), Confidence::kLow);
  EXPECT_EQ(LevelIn("5454545454545454"), Confidence::kMedium) << "a published test number";
  EXPECT_THAT(Only("4444444444444448").evidence, Contains("against:repeated_digits"));
  testing::Random random(1);
  // 4567890123456789 with a check digit that is right
  const std::string sequence = testing::NumberWith(random, "456789012345678", 16);
  EXPECT_EQ(LevelIn(sequence), Confidence::kLow);
  EXPECT_THAT(Only(sequence).evidence, Contains("against:sequence"));
}

TEST(Confidence, FallsBesideLettersAndSigns) {
  EXPECT_EQ(LevelIn("xyz4111111111111111"), Confidence::kLow);
  EXPECT_EQ(LevelIn("4111111111111111xyz"), Confidence::kLow);
  EXPECT_EQ(LevelIn("a=-4111111111111111"), Confidence::kLow);
  EXPECT_EQ(LevelIn("tel +4111111111111111"), Confidence::kLow);
  EXPECT_EQ(LevelIn("$4111111111111111"), Confidence::kLow);
  EXPECT_EQ(LevelIn("ccn4111111111111111"), Confidence::kHigh) << "the letters name it";
}

TEST(Confidence, FallsWithinALongerRowOfGroups) {
  EXPECT_EQ(LevelIn("1234 4111 1111 1111 1111 9876"), Confidence::kLow);
  EXPECT_EQ(LevelIn("4111-1111-1111-1111-9876"), Confidence::kLow);
}

TEST(Confidence, FallsInCodeAndMedia) {
  const std::string text = "x 4111111111111111 y";
  EXPECT_EQ(Only(text, {.is_script = true}).confidence, Confidence::kLow);
  EXPECT_EQ(Only(text, {.content_type = "application/javascript"}).confidence, Confidence::kLow);
  EXPECT_EQ(Only(text, {.content_type = "image/png"}).confidence, Confidence::kLow);
  EXPECT_EQ(Only(text, {.location = "/assets/font.woff2?v=1"}).confidence, Confidence::kLow);
  EXPECT_EQ(Only(text, {.location = "dist/app.min.js"}).confidence, Confidence::kLow);
  EXPECT_EQ(Only("cardnumber=4111 1111 1111 1111", {.location = "/a.jpg"}).confidence,
            Confidence::kHigh);
}

TEST(Confidence, RisesInACheckout) {
  const Found found = Only("x 4111111111111111 y", {.location = "/shop/Checkout/pay"});
  EXPECT_THAT(found.evidence, Contains("checkout_location"));
  EXPECT_GT(found.score, Only("x 4111111111111111 y", {.location = "/shop/cart"}).score);
}

TEST(Evidence, NamesExpiryHolderAndCode) {
  const Found found = Only(
      "{\"holder\":\"Jane Doe\",\"pan\":\"4111111111111111\",\"exp\":\"12/27\",\"cvv\":\"123\"}");
  EXPECT_EQ(found.kind, MatchKind::kPanWithCvv);
  for (const char* name : {"field_name:pan", "expiry", "security_code", "cardholder_name"}) {
    EXPECT_THAT(found.evidence, Contains(name));
  }
  EXPECT_EQ(found.score, 100);
}

TEST(Evidence, TakesADateWithoutANameForAnExpiryDate) {
  EXPECT_THAT(Only("4111111111111111|12/27|").evidence, Contains("expiry"));
  EXPECT_THAT(Only("4111111111111111 01/2031").evidence, Contains("expiry"));
  for (const std::string text : {"4111111111111111|13/27", "4111111111111111 12/27/2024",
                                 "4111111111111111 12/1999", "4111111111111111 a12/27"}) {
    EXPECT_THAT(Only(text).evidence, Not(Contains("expiry"))) << text;
  }
}

TEST(Evidence, TakesEveryFormOfAnExpiryDate) {
  for (const std::string text :
       {"n=N&exp_month=12&exp_year=2027", "expMonth=1&expYear=27&n=N", "n=N&month=12&year=2027",
        "{\"n\":\"N\",\"month\":\"01\",\"year\":\"27\"}", "{\"year\":2027,\"month\":3,\"n\":\"N\"}",
        "n=N&mm=12&yy=27", "N Dec 2027", "N DEC-27", "N december 2027", "N Sep/2027",
        "pay N 2027-12", "N, 2027/12;", "{\"n\":\"N\",\"validTo\":\"2027-12\"}", "N 12-2027",
        "n=N&ccexp=1227", "<n>N</n><expirationDate>1227</expirationDate>"}) {
    EXPECT_THAT(Only(WithNumber(text)).evidence, Contains("expiry")) << text;
  }
  for (const std::string text :
       {"n=N&month=13&year=2027", "n=N&month=12&year=1999", "n=N&month=12", "n=N&year=2027",
        "n=N&month=&year=2027", "N 5 Dec 2027", "N Dec 1999", "N Dec 27", "N Decor 2027",
        "N 2027-12-31", "N 2027-13", "N 1999-12", "N 2027/12/31", "N Dec 2027:10"}) {
    EXPECT_THAT(Only(WithNumber(text)).evidence, Not(Contains("expiry"))) << text;
  }
}

TEST(Evidence, GivesACodeToOneNumber) {
  struct Case {
    std::string_view text;
    // Which of the two numbers has a code, in their order.
    std::vector<bool> has_code;
  };
  const std::vector<Case> cases = {
      {"[{\"n\":\"N\",\"cvv\":\"123\"},{\"n\":\"M\"}]", {true, false}},
      {"[{\"n\":\"N\"},{\"cvv\":\"123\",\"n\":\"M\"}]", {false, true}},
      {"[{\"n\":\"N\"},{\"n\":\"M\",\"cvv\":\"123\"}]", {false, true}},
      {"[{\"cvv\":\"123\",\"n\":\"N\"},{\"n\":\"M\"}]", {true, false}},
      {"[{\"n\":\"N\",\"cvv\":\"1\"},{\"n\":\"M\",\"cvv\":\"123\"}]", {false, true}},
      {"[{\"n\":\"N\",\"cvv\":\"123\"},{\"n\":\"M\",\"cvv\":\"456\"}]", {true, true}},
      {"[{\"cvv\":\"123\",\"n\":\"N\"},{\"cvv\":\"456\",\"n\":\"M\"}]", {true, true}},
      {"n=N&cvv=123&n=M", {true, false}},
      {"n=N&n=M&cvv=123", {false, true}},
      {"cvv=123&n=N&n=M", {true, false}},
      {"n=N&cvv=123&n=M&cvv=456", {true, true}},
      {"cvv=123&n=N&cvv=456&n=M", {true, true}},
      {"n=N cvv=123\nn=M cvv=456\n", {true, true}},
      {"n=N cvv=123\nn=M\n", {true, false}},
      {"n=N\ncvv=123 n=M\n", {false, true}},
      {"n=N cvv=123 m=5555 5555 5555 4444", {true, false}},
      {"<c><n>N</n><cvv>123</cvv></c><c><n>M</n></c>", {true, false}},
      {"<c>\n<n>N</n>\n<cvv>123</cvv>\n</c>\n<c>\n<n>M</n>\n</c>", {true, false}},
  };
  for (const Case& expected : cases) {
    const auto found = Scan(absl::StrReplaceAll(WithNumber(expected.text), {{"M", kOther}}));
    ASSERT_EQ(found.size(), 2u) << expected.text;
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(found[i].kind == MatchKind::kPanWithCvv, expected.has_code[i])
          << expected.text << ", number " << i;
    }
  }
}

// A number of another kind between does not take the code.
TEST(Evidence, LeavesACodeToTheNumberAcrossATime) {
  EXPECT_EQ(Only(WithNumber("{\"n\":\"N\",\"ts\":1700000000000,\"cvv\":\"123\"}")).kind,
            MatchKind::kPanWithCvv);
}

TEST(Evidence, FindsACodeInEveryKindOfField) {
  for (const std::string text :
       {"n=4111111111111111&cvv=123", "cvc=1234&n=4111111111111111",
        "{\"n\":\"4111111111111111\",\"cvv2\":\"123\"}", "{\"n\":\"4111111111111111\",\"CVC\":123}",
        "4111111111111111 CVV: 123", "4111111111111111, security code 123",
        "<n>4111111111111111</n><cid>1234</cid>", "n=4111111111111111&securityCode=123",
        "n=4111111111111111&card_code=123", "%22n%22:%224111111111111111%22,%22cvv%22:%22123%22",
        "{\\\"n\\\":\\\"4111111111111111\\\",\\\"cvv\\\":\\\"123\\\"}"}) {
    EXPECT_EQ(Only(text).kind, MatchKind::kPanWithCvv) << text;
  }
  for (const std::string text : {"n=4111111111111111&cvv=", "n=4111111111111111&cvv=12",
                                 "n=4111111111111111&cvv=12345", "n=4111111111111111&cvv=&a=123",
                                 "n=4111111111111111&code=123", "n=4111111111111111&x=123"}) {
    EXPECT_EQ(Only(text).kind, MatchKind::kPan) << text;
  }
}

TEST(Evidence, ReadsSerializedPhp) {
  const std::vector<std::string> bodies = {
      "a:2:{s:11:\"card_number\";s:16:\"4111111111111111\";s:3:\"cvv\";s:3:\"123\";}",
      "a:2:{s:11:\"card_number\";i:4111111111111111;s:3:\"cvv\";i:123;}",
      "a:2:{s:3:\"cvv\";s:3:\"123\";s:11:\"card_number\";s:16:\"4111111111111111\";}"};
  for (const std::string& body : bodies) {
    std::vector<std::string> texts = {body};
    for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
      texts.push_back("d=" + form.encode(body));
    }
    for (const std::string& text : texts) {
      const Found found = Only(text);
      EXPECT_EQ(found.kind, MatchKind::kPanWithCvv) << text;
      EXPECT_EQ(found.confidence, Confidence::kHigh) << text;
      EXPECT_THAT(found.evidence, Contains("field_name:cardnumber")) << text;
    }
  }
  // The name is that of the number, and the code's field holds a code.
  const Found order = Only("a:1:{s:8:\"order_id\";s:16:\"4111111111111111\";}");
  EXPECT_EQ(order.confidence, Confidence::kLow);
  EXPECT_EQ(Only("a:2:{s:1:\"n\";s:16:\"4111111111111111\";s:3:\"cvv\";s:5:\"12345\";}").kind,
            MatchKind::kPan);
}

TEST(Evidence, LetsNumbersVouchForEachOther) {
  const auto found = Scan("4111111111111111\n5555555555554444\n");
  ASSERT_EQ(found.size(), 2u);
  for (const Found& match : found) EXPECT_THAT(match.evidence, Contains("other_numbers"));
  // The same number again says nothing.
  for (const Found& match : Scan("4111111111111111\n4111111111111111\n")) {
    EXPECT_THAT(match.evidence, Not(Contains("other_numbers")));
  }
}

TEST(Evidence, IsReadWithinTheDecodedText) {
  const std::string body = "{\"cardNumber\":\"4111111111111111\",\"cvv\":\"123\"}";
  const Found plain = Only(body);
  for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
    const Found found = Only(absl::StrCat("{\"orderid\":\"", form.encode(body), "\"}"));
    EXPECT_EQ(found.kind, plain.kind) << form.name;
    EXPECT_EQ(found.score, plain.score) << form.name;
    EXPECT_EQ(found.evidence, plain.evidence) << form.name;
  }
}

TEST(Evidence, NeverHoldsDigits) {
  for (const std::string text : {"a1111=4111111111111111", "card4111card=4111111111111111",
                                 "cc4111111111111111=5555555555554444",
                                 "4111111111111111 visa 5555 12/25 cvv 123 pan=5555555555554444"}) {
    for (const Found& found : Scan(text)) {
      for (const std::string& evidence : found.evidence) {
        EXPECT_EQ(evidence.find_first_of("3456789"), std::string::npos) << evidence;
      }
    }
  }
}

TEST(Evidence, VouchesForNumbersWithoutACheckDigitAtLowOnly) {
  testing::Random random(2);
  const std::string unionpay = testing::NumberWithWrongCheckDigit(random, "6222", 16);
  const std::string uzcard = testing::NumberWith(random, "8600", 16);
  for (const std::string& number : {unionpay, uzcard}) {
    EXPECT_TRUE(Scan(absl::StrCat("x ", number, " y")).empty());
    EXPECT_TRUE(Scan(absl::StrCat("card=", number)).empty());
    const auto named = Scan(absl::StrCat("cardnumber=", number, "&cvv=123&exp=12/27"));
    ASSERT_EQ(named.size(), 1u);
    EXPECT_EQ(named[0].confidence, Confidence::kLow);
  }
  const std::string visa = testing::NumberWithWrongCheckDigit(random, "4", 16);
  EXPECT_TRUE(Scan(absl::StrCat("cardnumber=", visa)).empty());
}

TEST(Evidence, VouchesForOddGroupsAtLowOnly) {
  EXPECT_TRUE(Scan("411111 1111111111").empty());
  const Found found = Only("cardnumber=411111 1111111111");
  EXPECT_EQ(found.confidence, Confidence::kLow);
}

TEST(TestCards, AreFoundAndLabelled) {
  EXPECT_TRUE(Only("4242424242424242").test_card);
  EXPECT_EQ(Only("cc=4242424242424242").confidence, Confidence::kHigh);
  testing::Random random(4);
  EXPECT_FALSE(Only(testing::NumberWith(random, "42424", 16)).test_card);
}

}  // namespace
}  // namespace skimwatch::card
