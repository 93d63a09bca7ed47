#include "collector/ctl/describe.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/exposure.pb.h"

namespace skimwatch::ctl {
namespace {

using ::testing::ElementsAre;

TEST(Describe, EnumsAreWords) {
  EXPECT_EQ(Word(*v1::FindingKind_descriptor(), v1::FINDING_KIND_CARD_NUMBER), "card_number");
  EXPECT_EQ(Word(*v1::FindingKind_descriptor(), 0), "");
  EXPECT_EQ(Word(*v1::FindingKind_descriptor(), 99), "99");
  EXPECT_EQ(FromWord(*v1::FindingKind_descriptor(), "canary"), v1::FINDING_KIND_CANARY);
  EXPECT_EQ(FromWord(*v1::FindingKind_descriptor(), ""), 0);
  EXPECT_THAT(Words(*v1::Exposure::State_descriptor()), ElementsAre("open", "closed"));
}

TEST(Describe, TimesAndAges) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(ParseTime("2023-11-14T22:13:20Z", now)->seconds(), 1'700'000'000);
  EXPECT_EQ(ParseTime("2023-11-14T23:13:20+01:00", now)->seconds(), 1'700'000'000);
  EXPECT_EQ(ParseTime("2023-11-14", now)->seconds(), 1'699'920'000);
  EXPECT_EQ(ParseTime("90m", now)->seconds(), 1'700'000'000 - 5400);
  EXPECT_EQ(ParseTime("7d", now)->seconds(), 1'700'000'000 - 7 * 86400);
  for (const auto bad : {"", "d", "-1d", "-5m", "yesterday", "99999999d", "inf"}) {
    EXPECT_FALSE(ParseTime(bad, now).ok()) << bad;
  }
  EXPECT_EQ(Describe(*ParseTime("90m", now)), "2023-11-14T20:43:20Z");
  EXPECT_EQ(Describe(google::protobuf::Timestamp()), "");
}

TEST(Describe, HashesAreHex) {
  EXPECT_EQ(Hex("\x01\xab", false), "01ab");
  EXPECT_EQ(Hex(std::string(32, '\xab'), true), "abababababab");
}

}  // namespace
}  // namespace skimwatch::ctl
