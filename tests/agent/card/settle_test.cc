#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::card {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// Offsets and lengths of what was handed over.
class Places : public MatchSink {
 public:
  void OnMatch(const CardMatch& match) override { places.emplace_back(match.offset, match.length); }
  std::vector<std::pair<uint64_t, uint32_t>> places;
};

// Published by Visa and Mastercard for tests.
constexpr std::string_view kVisa = "4111111111111111";
constexpr std::string_view kMastercard = "5555555555554444";

class SettleTest : public ::testing::Test {
 protected:
  SettleTest() { stream_.Begin({}); }
  void Feed(std::string_view bytes) { stream_.Feed(bytes, places_); }

  ScanStream stream_{{}, BrandTable::Default()};
  Places places_;
};

TEST_F(SettleTest, HandsOverWhatWaitsForMoreBytes) {
  Feed("card ");
  Feed(kVisa);
  EXPECT_THAT(places_.places, IsEmpty());
  stream_.Settle(places_);
  EXPECT_THAT(places_.places, ElementsAre(Pair(5u, 16u)));
}

TEST_F(SettleTest, HandsNothingOverTwice) {
  Feed("card ");
  Feed(kVisa);
  stream_.Settle(places_);
  stream_.Settle(places_);
  Feed(" and ");
  Feed(kMastercard);
  Feed(" end");
  stream_.Settle(places_);
  stream_.Finish(places_);
  EXPECT_THAT(places_.places, ElementsAre(Pair(5u, 16u), Pair(26u, 16u)));
}

TEST_F(SettleTest, FindsANumberThatASilenceCutInTwo) {
  Feed("card 41111111");
  stream_.Settle(places_);
  EXPECT_THAT(places_.places, IsEmpty());
  Feed("11111111 end");
  stream_.Finish(places_);
  EXPECT_THAT(places_.places, ElementsAre(Pair(5u, 16u)));
}

TEST_F(SettleTest, HoldsOverManyWindows) {
  const std::string filler(10'000, '.');
  uint64_t offset = 0;
  std::vector<uint64_t> planted;
  for (int i = 0; i < 40; ++i) {
    Feed(filler);
    offset += filler.size();
    planted.push_back(offset);
    Feed(kVisa);
    offset += kVisa.size();
    if (i % 3 == 0) stream_.Settle(places_);
  }
  stream_.Finish(places_);
  std::vector<uint64_t> found;
  for (const auto& [at, length] : places_.places) found.push_back(at);
  EXPECT_EQ(found, planted);
}

TEST_F(SettleTest, ForgetsWithTheStream) {
  Feed(kVisa);
  stream_.Settle(places_);
  stream_.Begin({});
  Feed(kVisa);
  stream_.Finish(places_);
  EXPECT_THAT(places_.places, ElementsAre(Pair(0u, 16u), Pair(0u, 16u)));
}

}  // namespace
}  // namespace skimwatch::card
