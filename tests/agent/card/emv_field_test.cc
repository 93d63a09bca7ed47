// Numbers in the data of chips and terminals, and as integers.

#include "agent/card/emv_field.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using ::testing::Contains;
using testing::Found;
using testing::HexLower;
using testing::HexUpper;
using testing::Random;
using testing::Scan;

std::string Bytes(std::string_view hex) {
  return absl::HexStringToBytes(absl::string_view(hex.data(), hex.size()));
}

// `digits` in hexadecimal, padded to whole bytes.
std::string Padded(std::string digits) {
  if (digits.size() % 2 != 0) digits += 'F';
  return digits;
}

std::string LengthOf(std::string_view hex, bool is_long) {
  const auto bytes = static_cast<char>(hex.size() / 2);
  return absl::StrCat(is_long ? "81" : "", HexUpper(std::string_view(&bytes, 1)));
}

std::string PanField(const std::string& number, bool is_long = false) {
  const std::string value = Padded(number);
  return absl::StrCat("5A", LengthOf(value, is_long), value);
}

std::string Track2Field(const std::string& number, const std::string& rest, bool is_long = false) {
  const std::string value = Padded(absl::StrCat(number, "D", rest));
  return absl::StrCat("57", LengthOf(value, is_long), value);
}

std::string RandomNumber(Random& random) {
  switch (testing::Below(random, 5)) {
    case 0:
      return testing::NumberWith(random, "37", 15);
    case 1:
      return testing::NumberWith(random, "36", 14);
    case 2:
      return testing::NumberWith(random, "53", 16);
    case 3:
      return testing::NumberWith(random, "62", 19);
    default:
      return testing::NumberWith(random, "4", 16);
  }
}

TEST(EmvField, FindsThePanInHexadecimal) {
  Random random(61);
  for (int i = 0; i < 1000; ++i) {
    const std::string number = RandomNumber(random);
    for (const bool is_long : {false, true}) {
      const std::string field = PanField(number, is_long);
      for (const std::string& text :
           {field, absl::StrCat("x=", field),
            absl::StrCat("9F2701805F2A020840", field, "5F24032512315F340101"),
            absl::StrCat("{\"de55\":\"82025800", field, "9F360200AB\"}"),
            absl::AsciiStrToLower(absl::StrCat(field, "9f2701"))}) {
        const std::vector<Found> found = Scan(text);
        ASSERT_TRUE(testing::IsOnly(found, number)) << number.size() << " digits, " << i;
        EXPECT_EQ(found[0].confidence, Confidence::kHigh);
        EXPECT_THAT(found[0].evidence, Contains("emv_tag"));
        EXPECT_EQ(found[0].length, number.size());
      }
    }
  }
}

TEST(EmvField, FindsThePanInBinary) {
  Random random(62);
  for (int i = 0; i < 1000; ++i) {
    const std::string number = RandomNumber(random);
    const std::string field = Bytes(PanField(number, i % 2 == 0));
    std::vector<Found> found = Scan(absl::StrCat("\x01", field));
    ASSERT_TRUE(testing::IsOnly(found, number)) << number.size() << " digits, " << i;
    EXPECT_EQ(found[0].confidence, Confidence::kMedium) << "a tag and a length alone";
    EXPECT_EQ(found[0].length, (number.size() + 1) / 2);
    found = Scan(absl::StrCat(Bytes("9F270180"), field, Bytes("5F2403251231")));
    ASSERT_TRUE(testing::IsOnly(found, number)) << i;
    EXPECT_EQ(found[0].confidence, Confidence::kHigh) << "more of a chip's fields";
    EXPECT_THAT(found[0].evidence, Contains("emv_record"));
  }
}

TEST(EmvField, FindsTrack2AsSensitiveAuthenticationData) {
  Random random(63);
  for (int i = 0; i < 1000; ++i) {
    const std::string number = RandomNumber(random);
    const std::string rest =
        absl::StrCat("2712", "201",
                     testing::RandomDigits(random, testing::Below(random, 38 - 8 - number.size())));
    const std::string field = Track2Field(number, rest, i % 3 == 0);
    for (const std::string& text : {absl::StrCat("x=", field, " "),
                                    absl::AsciiStrToLower(absl::StrCat("820258", field, "9F2701")),
                                    Bytes(absl::StrCat("9F270180", field, "5F340101"))}) {
      const std::vector<Found> found = Scan(text);
      ASSERT_TRUE(testing::IsOnly(found, number))
          << number.size() << " digits, " << i << ::testing::PrintToString(found);
      EXPECT_EQ(found[0].kind, MatchKind::kTrack2);
      EXPECT_EQ(found[0].confidence, Confidence::kHigh);
    }
  }
}

TEST(EmvField, RefusesNearMisses) {
  Random random(64);
  for (int i = 0; i < 300; ++i) {
    const std::string number = testing::NumberWith(random, "4", 16);
    const std::string wrong = testing::NumberWithWrongCheckDigit(random, "4", 16);
    const std::string no_brand = testing::NumberWith(random, "7", 16);
    for (const std::string& hex :
         {// Luhn, brand
          PanField(wrong), PanField(no_brand), Track2Field(wrong, "27122011234"),
          // Length: of more, of less, of nothing that a card has
          "5A09" + number, "5A07" + number, "5A10" + number, "5A0B" + number + "000000",
          // Tag
          "5B08" + number, "5808" + number,
          // Padding within, and two of it
          "5A08" + number.substr(0, 6) + "F" + number.substr(6, 9), "5A09" + number + "FF",
          // No month, no separator, too short, length that is wrong
          Track2Field(number, "27132011234").substr(0, 8) + "x",
          absl::StrCat("5713", number, "E27122011234567890F")}) {
      EXPECT_TRUE(Scan(Bytes(hex.find('x') == std::string::npos ? hex : "00")).empty());
      EXPECT_TRUE(Scan("v " + hex).empty()) << i;
    }
    EXPECT_TRUE(Scan(Bytes(Track2Field(number, "27132011234"))).empty());
  }
}

TEST(EmvField, TakesFieldsThatAreCut) {
  const std::string hex = absl::StrCat(PanField("4012888888881881", true),
                                       Track2Field("378282246310005", "27122010001"));
  const std::string binary = Bytes(hex);
  for (size_t size = 0; size < hex.size(); ++size) Scan(hex.substr(0, size));
  for (size_t size = 0; size < binary.size(); ++size) {
    const std::string cut = binary.substr(0, size);
    for (const Found& found : Scan(cut)) EXPECT_LE(found.offset + found.length, size);
  }
  EXPECT_TRUE(Scan(binary.substr(0, 9)).empty());
}

TEST(EmvField, DoesNotDependOnCuts) {
  const std::string binary =
      absl::StrCat(std::string(100, '\x03'), Bytes(PanField("4012888888881881")),
                   Bytes(Track2Field("378282246310005", "27122010001")), std::string(50, '\x03'));
  const std::vector<Found> whole = Scan(binary);
  ASSERT_EQ(whole.size(), 2u);
  for (size_t cut = 0; cut <= binary.size(); ++cut) {
    ASSERT_EQ(testing::ScanInPieces(binary, {cut}), whole) << cut;
  }
}

// Binary data has tags and lengths by chance.
TEST(EmvField, IsNearlyNeverSeenInRandomBytes) {
  Random random(65);
  std::string bytes;
  for (size_t i = 0; i < (size_t{1} << 21) / 8; ++i) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  size_t above_low = 0;
  for (const Found& found : Scan(bytes)) above_low += found.confidence != Confidence::kLow ? 1 : 0;
  EXPECT_EQ(above_low, 0u);
}

// --- integers ---

std::string Uint64(uint64_t value) {
  std::string bytes = "\xCF";
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

std::string Key(std::string_view name) {
  return absl::StrCat(std::string(1, static_cast<char>(0xA0 + name.size())), std::string(name));
}

TEST(MessagePackInteger, IsANumberWhereItsKeySaysSo) {
  for (const uint64_t value : {4012888888881881u, 378282246310005u, 36227206271667u}) {
    for (const std::string_view key : {"pan", "card_number", "cc"}) {
      const std::string text = absl::StrCat("\x82", Key(key), Uint64(value), Key("x"), "\x01");
      const std::vector<Found> found = Scan(text);
      ASSERT_TRUE(testing::IsOnly(found, absl::StrCat(value)))
          << key << ::testing::PrintToString(found);
      EXPECT_EQ(found[0].length, 8u);
      EXPECT_NE(found[0].confidence, Confidence::kLow) << key;
    }
    for (const std::string_view key : {"id", "order", "value", "ts", "foo"}) {
      EXPECT_TRUE(Scan(absl::StrCat("\x82", Key(key), Uint64(value), Key("x"), "\x01")).empty());
    }
    // A key of another length, a list of integers, a value that is cut.
    EXPECT_TRUE(Scan(absl::StrCat("\x82\xA7pan", Uint64(value))).empty());
    EXPECT_TRUE(Scan(absl::StrCat("\x92", Uint64(value), Uint64(value))).empty());
    const std::string whole = absl::StrCat(Key("pan"), Uint64(value));
    EXPECT_TRUE(Scan(whole.substr(0, whole.size() - 1)).empty());
  }
  EXPECT_TRUE(Scan(absl::StrCat(Key("pan"), Uint64(4012888888881882u))).empty());
}

}  // namespace
}  // namespace skimwatch::card
