// What looks like a card number and is none. Nothing here may be `high` or `medium`.

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/card/luhn.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::testing {
namespace {

size_t CountAboveLow(std::string_view text) {
  size_t count = 0;
  for (const Found& found : Scan(text)) {
    if (found.confidence != card::Confidence::kLow) ++count;
  }
  return count;
}

TEST(FalseAlarms, TimesInAnyUnit) {
  Random random(1);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t seconds = 1'500'000'000 + Below(random, 500'000'000);
    const std::string s = absl::StrCat(seconds);
    for (const size_t digits : {3, 6, 9}) {
      const std::string text = s + RandomDigits(random, digits);
      EXPECT_EQ(CountAboveLow(absl::StrCat("t ", text, " x")), 0u);
      EXPECT_EQ(CountAboveLow(absl::StrCat("{\"created\":", text, "}")), 0u);
    }
    const std::string date = absl::StrFormat(
        "20%02d%02d%02d%02d%02d%02d", Below(random, 40), 1 + Below(random, 12),
        1 + Below(random, 28), Below(random, 24), Below(random, 60), Below(random, 60));
    EXPECT_EQ(CountAboveLow(date), 0u);
    EXPECT_EQ(CountAboveLow(date + RandomDigits(random, 3)), 0u);
  }
}

TEST(FalseAlarms, FloatsCoordinatesAndPaths) {
  Random random(2);
  for (int i = 0; i < 5000; ++i) {
    const std::string number = NumberWith(random, "4", 16);
    for (const std::string& text :
         {absl::StrCat("0.", number), absl::StrCat("-71.", number, ",42.", number),
          absl::StrCat(number, ".25"), absl::StrCat(number, "e-7"), absl::StrCat("M0 0L.", number),
          absl::StrCat("d=\"M1.5,2.", number, "Z\""), absl::StrCat("[", "1.", number, ",2]"),
          absl::StrCat("\"lat\":", number), absl::StrCat("\"x\":-", number)}) {
      EXPECT_EQ(CountAboveLow(text), 0u) << "case " << i << ", " << text.size() << " bytes";
    }
  }
}

TEST(FalseAlarms, DigestsIdentifiersAndUuids) {
  Random random(3);
  constexpr std::string_view kHex = "0123456789abcdef";
  for (int i = 0; i < 20'000; ++i) {
    std::string hex;
    for (int k = 0; k < 64; ++k) hex += kHex[Below(random, 16)];
    const std::string uuid =
        absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-4", hex.substr(12, 3), "-a",
                     hex.substr(15, 3), "-", hex.substr(20, 12));
    EXPECT_EQ(CountAboveLow(hex), 0u) << i;
    EXPECT_EQ(CountAboveLow(absl::StrCat("etag \"", hex.substr(0, 32), "\"")), 0u) << i;
    EXPECT_EQ(CountAboveLow(uuid), 0u) << i;
    // All digits, the rarest of them
    const std::string d = RandomDigits(random, 36);
    EXPECT_EQ(CountAboveLow(absl::StrCat(d.substr(0, 8), "-", d.substr(8, 4), "-", d.substr(12, 4),
                                         "-", d.substr(16, 4), "-", d.substr(20, 12))),
              0u)
        << i;
  }
}

TEST(FalseAlarms, CodesOfGoodsPhonesAndDevices) {
  Random random(4);
  for (int i = 0; i < 5000; ++i) {
    const std::string imei = NumberWith(random, i % 2 == 0 ? "35" : "86", 15);
    const std::string iccid = NumberWith(random, "8949", 19);
    EXPECT_EQ(CountAboveLow(imei), 0u);
    EXPECT_EQ(CountAboveLow(absl::StrCat("imei: ", imei)), 0u);
    EXPECT_EQ(CountAboveLow(iccid), 0u);
    EXPECT_EQ(CountAboveLow(absl::StrCat("ICCID ", iccid)), 0u);
    EXPECT_EQ(CountAboveLow(RandomDigits(random, 13)), 0u) << "EAN-13 and others";
    EXPECT_EQ(CountAboveLow(absl::StrCat("+", RandomDigits(random, 12))), 0u);
    EXPECT_EQ(
        CountAboveLow(absl::StrCat("+49 ", RandomDigits(random, 4), " ", RandomDigits(random, 8))),
        0u);
    EXPECT_EQ(CountAboveLow(absl::StrCat("{\"orderId\":\"", NumberWith(random, "5", 16), "\"}")),
              0u);
    EXPECT_EQ(CountAboveLow(absl::StrCat("/orders?id=", NumberWith(random, "4", 16))), 0u);
    EXPECT_EQ(CountAboveLow(absl::StrCat("tracking no ", NumberWith(random, "62", 18))), 0u);
  }
}

TEST(FalseAlarms, WindowsInLongerRuns) {
  Random random(5);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(CountAboveLow(RandomDigits(random, 20 + Below(random, 200))), 0u);
    EXPECT_EQ(CountAboveLow(absl::StrCat(RandomDigits(random, 5), NumberWith(random, "4", 16))),
              0u);
    std::string table;
    for (int k = 0; k < 40; ++k) absl::StrAppend(&table, RandomDigits(random, 4), " ");
    // A row of fours that begins or ends like a number has nothing but its check digit to say so.
    EXPECT_LE(CountAboveLow(table), 1u);
  }
}

TEST(FalseAlarms, RandomBytesInEveryEncoding) {
  Random random(6);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes;
    for (int k = 0; k < 200; ++k) bytes += static_cast<char>(random());
    EXPECT_EQ(CountAboveLow(bytes), 0u);
    for (const NamedEncoding& form : EveryEncoding()) {
      EXPECT_EQ(CountAboveLow(form.encode(bytes)), 0u) << form.name;
    }
  }
}

// Near misses: one thing about the number is wrong, in every form.
TEST(NearMisses, NoFormMakesAWrongNumberRight) {
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    for (const std::string& number :
         {NumberWithWrongCheckDigit(random, "4", 16), NumberWithWrongCheckDigit(random, "53", 16),
          NumberWithWrongCheckDigit(random, "37", 15),
          // No brand, and a brand that does not issue the length
          NumberWith(random, "7", 16), NumberWith(random, "51", 17), NumberWith(random, "37", 16),
          // A number in a longer run
          absl::StrCat("0000", NumberWith(random, "4", 16), "0")}) {
      EXPECT_TRUE(Scan(absl::StrCat("cc=", number)).empty());
      EXPECT_TRUE(Scan(Utf16Le(number)).empty());
      EXPECT_TRUE(Scan(FullWidth(number)).empty());
      for (const NamedEncoding& form : EveryEncoding()) {
        EXPECT_TRUE(Scan(form.encode(absl::StrCat("cc=", number, "&"))).empty()) << form.name;
      }
    }
  }
}

TEST(NearMisses, EncodingsThatAreCutOrBrokenGiveNoNumber) {
  Random random(8);
  for (int i = 0; i < 300; ++i) {
    const std::string number = NumberWith(random, "4", 16);
    for (const NamedEncoding& form : EveryEncoding()) {
      const std::string encoded = form.encode(number);
      const std::string first = encoded.substr(0, encoded.size() / 3);
      // Something that is of no alphabet, in the middle.
      EXPECT_EQ(CountAboveLow(absl::StrCat(first, "!", encoded.substr(first.size()))), 0u)
          << form.name;
      EXPECT_EQ(CountAboveLow(first), 0u) << form.name;
    }
  }
}

}  // namespace
}  // namespace skimwatch::testing
