#include "agent/script/source/browser_report/corroboration.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/agent/script/source/browser_report/recording_sink.h"

namespace skimwatch::script {
namespace {

using testing::Shopper;

class CorroborationTest : public ::testing::Test {
 protected:
  bool Add(const std::string& thing, uint64_t shopper) {
    return corroboration_.Add(thing, Shopper(shopper), now_);
  }

  Corroboration::Clock::time_point now_{};
  Corroboration corroboration_{{.networks_min = 3, .things_max = 32, .things_of_network_max = 16}};
};

TEST_F(CorroborationTest, CountsNetworksForEachThing) {
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Add("a", 1));
  EXPECT_FALSE(Add("b", 2));
  EXPECT_FALSE(Add("a", 2));
  EXPECT_TRUE(Add("a", 3));
  EXPECT_TRUE(Add("a", 1));
  EXPECT_FALSE(Add("b", 3));
}

TEST_F(CorroborationTest, ForgetsWhatWasSaidLongAgo) {
  Add("a", 1);
  Add("a", 2);
  now_ += std::chrono::hours(25);
  EXPECT_FALSE(Add("a", 3));
  EXPECT_FALSE(Add("a", 1));
  EXPECT_TRUE(Add("a", 2));
}

TEST_F(CorroborationTest, HasRoomForOthersWhateverSomeSay) {
  for (uint64_t shopper = 0; shopper < 4; ++shopper) {
    for (int i = 0; i < 1000; ++i) Add(absl::StrCat("forged ", shopper, " ", i), shopper);
  }
  EXPECT_EQ(corroboration_.things(), 32);
  EXPECT_FALSE(Add("true", 10));
  EXPECT_FALSE(Add("true", 11));
  EXPECT_TRUE(Add("true", 12));
  EXPECT_EQ(corroboration_.things(), 32);
}

TEST_F(CorroborationTest, HasRoomForNewThingsWhenTheOldOnesAreOver) {
  for (uint64_t thing = 0; thing < 32; ++thing) {
    for (uint64_t shopper = 0; shopper < 3; ++shopper)
      Add(absl::StrCat(thing), 3 * thing + shopper);
  }
  Add("more", 1);
  Add("more", 2);
  EXPECT_FALSE(Add("more", 3));
  now_ += std::chrono::hours(25);
  Add("more", 1);
  Add("more", 2);
  EXPECT_TRUE(Add("more", 3));
}

}  // namespace
}  // namespace skimwatch::script
