#include "agent/card/track.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Scan;

MatchKind OnlyKind(std::string_view text) {
  const auto found = Scan(text);
  EXPECT_EQ(found.size(), 1u) << text;
  return found.empty() ? MatchKind::kPan : found[0].kind;
}

TEST(Track, RecognisesTrackOne) {
  for (const std::string text :
       {"%B4111111111111111^DOE/JANE^25121010000000000?",
        "%b4111111111111111^DOE/JANE Q MRS^2512101?",
        "B4111111111111111^DOE/JANE^25121010000000000", "track: 4111111111111111^D/^2512101"}) {
    EXPECT_EQ(OnlyKind(text), MatchKind::kTrack1) << text;
  }
}

TEST(Track, RecognisesTrackTwo) {
  for (const std::string text :
       {";4111111111111111=25121010000012345678?", ";4111111111111111=2512101?",
        "4111111111111111=25121010000012345678", "4111111111111111=2512101?",
        "4111111111111111D25121010000012345678F"}) {
    EXPECT_EQ(OnlyKind(text), MatchKind::kTrack2) << text;
  }
}

// ISO/IEC 7813: a separator stands for what the card has not.
TEST(Track, RecognisesTracksWithoutExpiryDateOrServiceCode) {
  for (const std::string text :
       {"%B4111111111111111^DOE/JANE^^101000?", "%B4111111111111111^DOE/JANE^^^000?",
        "%B4111111111111111^DOE/JANE^2512^000?"}) {
    EXPECT_EQ(OnlyKind(text), MatchKind::kTrack1) << text;
  }
  for (const std::string text : {";4111111111111111==1010000?", ";4111111111111111===0000?",
                                 ";4111111111111111=2512=0000?"}) {
    EXPECT_EQ(OnlyKind(text), MatchKind::kTrack2) << text;
  }
  for (const std::string text :
       {"4111111111111111==1010000?", ";4111111111111111==1010000", ";4111111111111111==3990000?",
        ";4111111111111111=2513=0000?", "%B4111111111111111^DOE/JANE^2513^000?",
        "4111111111111111^DOE/JANE^^101000?", "%B4111111111111111^DOE/JANE^^399000?"}) {
    EXPECT_EQ(OnlyKind(text), MatchKind::kPan) << text;
  }
}

TEST(Track, ReportsTheNumberAloneOnceAndSure) {
  const auto found = Scan("x;4111111111111111=25121010000012345678?y");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].offset, 2u);
  EXPECT_EQ(found[0].length, 16u);
  EXPECT_EQ(found[0].confidence, Confidence::kHigh);
}

TEST(Track, TakesOtherStructuresForPlainNumbers) {
  for (const std::string text :
       {// No such month
        ";4111111111111111=25131010000012345678?", ";4111111111111111=2500101?",
        // Too short for expiry date and service code
        ";4111111111111111=251210?",
        // Without a sentinel and short
        "4111111111111111=2512101",
        // No name, no second separator
        "%B4111111111111111^^25121010000000000?", "%B4111111111111111^DOE/JANE 25121010000000000?",
        "4111111111111111=next&x=1"}) {
    EXPECT_EQ(OnlyKind(text), MatchKind::kPan) << text;
  }
}

// Expiry date, service code and discretionary data that by chance read like a number of the 2
// series.
TEST(Track, ReportsNoSecondNumberWithinItself) {
  testing::Random random(11);
  std::vector<std::string> tails;
  for (const std::string prefix : {"2301201", "2412101", "2512101", "2612221", "2712201"}) {
    tails.push_back(testing::NumberWith(random, prefix, 16));
    ASSERT_EQ(Scan(absl::StrCat("x ", tails.back(), " y")).size(), 1u) << "a number when alone";
  }
  for (const std::string& tail : tails) {
    const std::vector<std::string> two = {absl::StrCat(";4242424242424242=", tail, "?"),
                                          absl::StrCat("4242424242424242=", tail),
                                          absl::StrCat("4242424242424242D", tail, "F"),
                                          absl::StrCat("%3B4242424242424242%3D", tail, "%3F")};
    const std::vector<std::string> one = {
        absl::StrCat("%B4242424242424242^DOE/JANE^", tail, "?"),
        absl::StrCat("B4242424242424242^D/^", tail),
        absl::StrCat("%B4242 4242 4242 4242^DOE/JANE Q^", tail, "?"),
        absl::StrCat("%25B4242424242424242%5EDOE%2FJANE%5E", tail, "%3F")};
    for (const std::string& text : two) EXPECT_EQ(OnlyKind(text), MatchKind::kTrack2);
    for (const std::string& text : one) EXPECT_EQ(OnlyKind(text), MatchKind::kTrack1);
    for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
      EXPECT_EQ(OnlyKind(absl::StrCat("t=", form.encode(two[0]))), MatchKind::kTrack2) << form.name;
      EXPECT_EQ(OnlyKind(absl::StrCat("t=", form.encode(one[0]))), MatchKind::kTrack1) << form.name;
    }
  }
}

TEST(Track, HidesNoNumberThatFollowsSomethingElse) {
  testing::Random random(12);
  const std::string number = testing::NumberWith(random, "2512101", 16);
  for (const std::string& text :
       {absl::StrCat("cc=", number), absl::StrCat("1234567890123456=", number),
        absl::StrCat("4242424242424241=", number), absl::StrCat("a^b^", number),
        absl::StrCat("4242424242424242^", number), absl::StrCat("^DOE/JANE^", number)}) {
    const auto found = Scan(text);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.back().offset, text.size() - number.size());
  }
  // No expiry date is in 2055.
  EXPECT_EQ(Scan("4242424242424242=5555555555554444").size(), 2u);
}

TEST(Track, IsSeenThroughEveryEncoding) {
  for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
    for (const auto& [text, kind] : std::vector<std::pair<std::string, MatchKind>>{
             {"%B4111111111111111^DOE/JANE^25121010000000000?", MatchKind::kTrack1},
             {";4111111111111111=25121010000012345678?", MatchKind::kTrack2}}) {
      EXPECT_EQ(OnlyKind(absl::StrCat("t=", form.encode(text))), kind) << form.name << " " << text;
    }
  }
  EXPECT_EQ(OnlyKind("d=%25B4111111111111111%5EDOE%2FJANE%5E25121010000000000%3F"),
            MatchKind::kTrack1);
  EXPECT_EQ(OnlyKind("d=%3B4111111111111111%3D25121010000012345678%3F"), MatchKind::kTrack2);
}

}  // namespace
}  // namespace skimwatch::card
