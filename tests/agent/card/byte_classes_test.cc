#include "agent/card/byte_classes.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace skimwatch::card {
namespace {

std::string BytesOf(const ClassTable& table, uint8_t class_bit) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) {
    if ((ClassesOf(table, static_cast<char>(c)) & class_bit) != 0) bytes += static_cast<char>(c);
  }
  return bytes;
}

std::string Controls() {
  std::string bytes;
  for (char c = 0; c < 0x20; ++c) bytes += c;
  return bytes;
}

constexpr std::string_view kBase64Alphabet =
    "+-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

TEST(ByteClasses, NameTheBytesOfText) {
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kDigit), "0123456789");
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kSeparator), " +-./_");
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kHex), "0123456789ABCDEFabcdef");
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kPercent), "%");
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kMark), "&\\");
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kCodeLead), "#ux");
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kControl), Controls());
  EXPECT_EQ(BytesOf(kTextClasses, text_class::kBreakOrSlash), "/nr");
}

TEST(ByteClasses, NameTheBytesOfPlainText) {
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kDigit), "0123456789");
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kSeparator), " +-./_");
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kBase64), kBase64Alphabet);
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kPercent), "%");
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kMark), "&\\");
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kTag), "WZ");
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kControl), Controls());
  EXPECT_EQ(BytesOf(kPlainClasses, plain_class::kBreakOrSlash), "/nr");
}

// A group of base64 of three bytes.
std::string Group(int first, int second, int third) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return {kLetters[first >> 2], kLetters[(first & 3) << 4 | second >> 4],
          kLetters[(second & 15) << 2 | third >> 6], kLetters[third & 63]};
}

TEST(ByteClasses, TellByThreeCharactersWhetherAGroupIsAscii) {
  const auto is = [](char c, uint8_t class_bit) {
    return (ClassesOf(kSextetClassTable, c) & class_bit) != 0;
  };
  constexpr std::array<int, 12> kBytes = {0x00, 0x20, 0x30, 0x39, 0x41, 0x5F,
                                          0x7F, 0x80, 0x90, 0xBC, 0xEF, 0xFF};
  for (const int first : kBytes) {
    for (const int second : kBytes) {
      for (const int third : kBytes) {
        const std::string group = Group(first, second, third);
        EXPECT_EQ(is(group[0], sextet_class::kAsciiFirst), first < 0x80) << group;
        EXPECT_EQ(is(group[1], sextet_class::kAsciiSecond), second < 0x80) << group;
        EXPECT_EQ(is(group[2], sextet_class::kAsciiThird), third < 0x80) << group;
        EXPECT_TRUE(is(group[3], sextet_class::kBase64)) << group;
      }
    }
  }
  EXPECT_EQ(BytesOf(kSextetClassTable, sextet_class::kBase64), kBase64Alphabet);
  EXPECT_EQ(BytesOf(kSextetClassTable, sextet_class::kTag), "WZ");
}

TEST(ByteClasses, TellByOneCharacterWhatMayBeginAGroup) {
  const auto is = [](int byte, uint8_t class_bit) {
    return (ClassesOf(kSextetClassTable, Group(byte, 0, 0)[0]) & class_bit) != 0;
  };
  for (const char c : std::string_view("0123456789 -._/+")) {
    EXPECT_TRUE(is(c, sextet_class::kNumberFirst)) << c;
  }
  for (char c = 'a'; c <= 'z'; ++c) EXPECT_FALSE(is(c, sextet_class::kNumberFirst)) << c;
  for (char c = '0'; c <= '9'; ++c) EXPECT_TRUE(is(c, sextet_class::kDigitFirst)) << c;
  EXPECT_FALSE(is(' ', sextet_class::kDigitFirst));
  for (int byte = 0x90; byte <= 0x99; ++byte) EXPECT_TRUE(is(byte, sextet_class::kWideFirst));
  EXPECT_TRUE(is(0xEF, sextet_class::kWideFirst));
  EXPECT_TRUE(is(0xBC, sextet_class::kWideFirst));
  EXPECT_FALSE(is('4', sextet_class::kWideFirst));
}

}  // namespace
}  // namespace skimwatch::card
