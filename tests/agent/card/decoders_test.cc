#include "agent/card/decoders.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/symbols.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

std::string Decoded(Form form, std::string_view text) {
  const auto out = std::make_unique<DecodedText>();
  EXPECT_EQ(Decode(form, text, 0, text.size(), *out), text.size());
  return std::string(out->view());
}

TEST(Decode, GivesBackWhatWasEncoded) {
  testing::Random random(1);
  for (size_t length = 0; length < 300; ++length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += static_cast<char>(testing::Below(random, 128));
    EXPECT_EQ(Decoded(Form::kBase64, testing::Base64Unpadded(text)), text);
    EXPECT_EQ(Decoded(Form::kBase64, testing::Base64Url(text)), text);
    EXPECT_EQ(Decoded(Form::kHex, testing::HexLower(text)), text);
    EXPECT_EQ(Decoded(Form::kHex, testing::HexUpper(text)), text);
    EXPECT_EQ(Decoded(Form::kEscapes, testing::PercentAll(text)), text);
    EXPECT_EQ(Decoded(Form::kEscapes, testing::JsonEscapeAll(text)), text);
    EXPECT_EQ(Decoded(Form::kEscapes, testing::HexEscapeAll(text)), text);
    EXPECT_EQ(Decoded(Form::kEscapes, testing::EntityAll(text)), text);
    EXPECT_EQ(Decoded(Form::kUtf16Le, testing::Utf16Le(text)), text);
    EXPECT_EQ(Decoded(Form::kUtf16Be, testing::Utf16Be(text)), text);
  }
}

TEST(Decode, LeavesWhatIsNoEscapeAsItIs) {
  EXPECT_EQ(Decoded(Form::kEscapes, "100% %4 %zz %41"), "100% %4 %zz A");
  EXPECT_EQ(Decoded(Form::kEscapes, "\\q \\x4 \\u004 \\u{} \\x41\\u{42}\\"),
            "\\q \\x4 \\u004 \\u{} AB\\");
  EXPECT_EQ(Decoded(Form::kEscapes, "a\\nb\\/c\\\"d"), "a\nb/c\"d");
  EXPECT_EQ(Decoded(Form::kEscapes, "&amp; &# &#x; &#65 &#x42;"), "&amp; &# &#x; A B");
}

TEST(Decode, WritesCodePointsAsUtf8) {
  EXPECT_EQ(Decoded(Form::kEscapes, "\\uff14\\u00a0"), "\xEF\xBC\x94\xC2\xA0");
  EXPECT_EQ(Decoded(Form::kEscapes, "&#x1D7D2;"), "\xF0\x9D\x9F\x92");
}

TEST(Decode, ReadsBase64OverLineBreaks) {
  const std::string text = "a text that is long enough for some lines";
  EXPECT_EQ(Decoded(Form::kBase64, testing::Base64Wrapped(text, 7, "\r\n")), text);
}

TEST(Decode, StopsWhereNoMoreFitsAndGoesOnFromThere) {
  const std::string text(3 * DecodedText::kCapacity, 'x');
  for (const auto& [form, encoded] :
       std::vector<std::pair<Form, std::string>>{{Form::kBase64, testing::Base64(text)},
                                                 {Form::kHex, testing::HexLower(text)},
                                                 {Form::kEscapes, testing::PercentAll(text)},
                                                 {Form::kEscapes, testing::JsonEscapeAll(text)},
                                                 {Form::kUtf16Le, testing::Utf16Le(text)}}) {
    const auto out = std::make_unique<DecodedText>();
    std::string joined;
    size_t at = 0;
    while (at < encoded.size()) {
      out->Clear();
      const size_t stopped = Decode(form, encoded, at, encoded.size(), *out);
      ASSERT_GT(stopped, at);
      joined += out->view();
      at = stopped;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST(Decode, RemembersWhereEachByteCameFrom) {
  const auto out = std::make_unique<DecodedText>();
  const std::string_view text = "a%41b\xC2%41";
  Decode(Form::kEscapes, text, 0, text.size(), *out);
  ASSERT_EQ(out->size(), 5u);
  EXPECT_EQ(out->Source(1), 1u);
  EXPECT_EQ(out->SourceEnd(1), 4u);
  EXPECT_EQ(out->Source(4), 6u);
  EXPECT_EQ(out->SourceEnd(4), 9u);
  out->Clear();
  const std::string encoded = testing::Base64("abcdef");
  Decode(Form::kBase64, encoded, 0, encoded.size(), *out);
  EXPECT_EQ(out->Source(4), 4u) << "where the group begins";
  EXPECT_EQ(out->SourceEnd(4), 8u) << "where the group ends";
  EXPECT_EQ(out->SourceEnd(2), 4u);
}

TEST(TellingEscapes, AreThoseThatANumberMayBeBehind) {
  const auto percent = [](std::string_view text, size_t at) { return IsTellingEscape(text, at); };
  EXPECT_TRUE(percent("%34", 0));
  EXPECT_TRUE(percent("%41", 0));
  EXPECT_TRUE(percent("%2534", 0));
  EXPECT_TRUE(percent("4%2D1", 1));
  EXPECT_TRUE(percent("QUJDREVGRw%2BQUJDRA", 10));
  EXPECT_FALSE(percent("a%20b", 1));
  EXPECT_FALSE(percent("http%3A%2F%2Fa.b", 4));
  EXPECT_FALSE(percent("x%22:%22y", 1));
  EXPECT_TRUE(IsTellingEscape("\\u0034", 0));
  EXPECT_TRUE(IsTellingEscape("\\\\u0034", 0));
  EXPECT_FALSE(IsTellingEscape("a\\nb", 1));
  EXPECT_FALSE(IsTellingEscape("\\u4e2d", 0));
}

TEST(DecodedText, IsWiped) {
  const auto out = std::make_unique<DecodedText>();
  const std::string text = testing::HexLower("4111111111111111");
  Decode(Form::kHex, text, 0, text.size(), *out);
  const char* const bytes = out->view().data();
  ASSERT_EQ(std::string_view(bytes, 16), "4111111111111111");
  out->Clear();
  out->Wipe();
  EXPECT_EQ(std::string_view(bytes, 16), std::string_view(std::string(16, '\0')));
}

TEST(MayTell, HoldsForAllThatTellsAndSeparates) {
  static constexpr std::array<std::string_view, 24> kParts = {
      "%",  "\\", "&", "#",  "u", "x",    "u00", "{", "}", "n",  "r",     "/",
      "20", "2",  "F", "0A", "a", "QUJD", ";",   "0", "C", "41", "nbsp;", "3d"};
  testing::Random random(3);
  size_t telling = 0;
  size_t separating = 0;
  size_t refused = 0;
  for (int round = 0; round < 300'000; ++round) {
    std::string text = testing::Below(random, 4) == 0 ? "QUJDQUJDQUJDQUJD" : "4";
    const size_t at = text.size();
    text += "%\\&"[testing::Below(random, 3)];
    for (uint64_t i = testing::Below(random, 7); i > 0; --i) {
      text += kParts[testing::Below(random, kParts.size())];
    }
    const bool tells = IsTellingEscape(text, at);
    const bool separates = SeparatorAt(text, at).bytes > 0;
    if (tells || separates) {
      ASSERT_TRUE(MayTell(text, at)) << text;
    }
    telling += tells ? 1 : 0;
    separating += separates ? 1 : 0;
    refused += MayTell(text, at) ? 0 : 1;
  }
  EXPECT_GT(telling, 10'000u);
  EXPECT_GT(separating, 1000u);
  EXPECT_GT(refused, 10'000u);
}

}  // namespace
}  // namespace skimwatch::card
