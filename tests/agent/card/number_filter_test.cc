#include "agent/card/number_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/number_finder.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

using testing::Below;
using testing::Random;

class NumberFilterTest : public ::testing::Test {
 protected:
  bool MayHoldGroups(std::string_view chain) const {
    uint64_t digits = 0;
    for (size_t i = 0; i < chain.size(); ++i) {
      if (chain[i] >= '0' && chain[i] <= '9') digits |= uint64_t{1} << i;
    }
    return filter_.MayHoldGroups(chain.data(), chain.size(), digits);
  }

  const NumberFilter filter_{BrandTable::Default()};
};

TEST_F(NumberFilterTest, KnowsTheLengthsOfEveryIssue) {
  for (const testing::Issue& issue : testing::EveryIssue()) {
    Random random(1);
    const std::string number = testing::NumberOf(random, issue);
    const size_t which = issue.length - NumberFilter::kDigitsMin;
    EXPECT_NE(filter_.Lengths(number.data()) >> which & 1, 0u) << issue.brand;
  }
  EXPECT_EQ(filter_.Lengths("000"), 0u);
  EXPECT_EQ(filter_.Lengths("999"), 0u);
}

TEST_F(NumberFilterTest, LetsNumbersWithoutCheckDigitPassWhereTheBrandPromisesNone) {
  // UzCard and UnionPay of 16 digits; Visa never.
  constexpr uint32_t kSixteen = 1u << (16 - NumberFilter::kDigitsMin);
  EXPECT_NE(filter_.LengthsWithoutCheckDigit("860") & kSixteen, 0u);
  EXPECT_NE(filter_.LengthsWithoutCheckDigit("621") & kSixteen, 0u);
  EXPECT_EQ(filter_.LengthsWithoutCheckDigit("411"), 0u);
}

TEST_F(NumberFilterTest, RefusesChainsThatNoNumberIsWrittenIn) {
  for (const std::string_view chain :
       {"192.168.100.200", "2024-05-12 10.20", "12.34.56.78.90.12.34", "2024-05-12-123456",
        "123 456 789 012", "10.20 30.40 50.60", "00 11 22 33 44 55 66 77"}) {
    EXPECT_FALSE(MayHoldGroups(chain)) << chain;
  }
}

TEST_F(NumberFilterTest, LetsGroupedNumbersPass) {
  for (const std::string_view chain :
       {"4111 1111 1111 1111", "3782-822463-10005", "3056 930902 5904", "41111111 11111111",
        "411111 1111111111", "00 4111 1111 1111 1111", "4111 1111 1111 1111 12/25"}) {
    EXPECT_TRUE(MayHoldGroups(chain)) << chain;
  }
}

// What the number finder hands over must have passed.
TEST_F(NumberFilterTest, NeverRefusesAChainWithACandidate) {
  const NumberFinder finder(BrandTable::Default());
  Random random(2);
  size_t candidates = 0;
  for (int round = 0; round < 300'000; ++round) {
    std::string chain;
    if (Below(random, 4) == 0) {
      const std::string number = testing::NumberWith(random, "4", 16);
      const auto first = 2 + Below(random, 12);
      chain = number.substr(0, first) + "-" + number.substr(first);
    }
    constexpr std::string_view kSeparators = " -./_+";
    const char separator = kSeparators[Below(random, kSeparators.size())];
    while (chain.size() < 40) {
      if (!chain.empty()) {
        chain += Below(random, 8) == 0 ? kSeparators[Below(random, kSeparators.size())] : separator;
      }
      const bool fours = Below(random, 3) != 0;
      chain += testing::RandomDigits(random, fours ? 4 : 2 + Below(random, 6));
    }
    bool has_candidate = false;
    finder.FindInChain(chain, 0, [&](const Candidate& candidate) {
      has_candidate = has_candidate || candidate.shape != Shape::kUngrouped;
    });
    candidates += has_candidate ? 1 : 0;
    ASSERT_TRUE(!has_candidate || MayHoldGroups(chain)) << "round " << round;
  }
  EXPECT_GT(candidates, 3000u);
}

}  // namespace
}  // namespace skimwatch::card
