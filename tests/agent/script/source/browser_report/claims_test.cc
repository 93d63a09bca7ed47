#include "agent/script/source/browser_report/claims.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

TEST(Claims, LimitOneNetworkButNotTheOthers) {
  Claims claims(/*max=*/100, /*of_network_max=*/3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(claims.MayAdd(1));
    claims.Add(1, absl::StrCat(i));
  }
  EXPECT_FALSE(claims.MayAdd(1));
  EXPECT_TRUE(claims.MayAdd(2));
}

TEST(Claims, OfTheGreatestGiveWayTheOldestFirst) {
  Claims claims(/*max=*/6, /*of_network_max=*/6);
  const Claims::Claim oldest = claims.Add(1, "oldest");
  for (int i = 0; i < 3; ++i) claims.Add(1, absl::StrCat(i));
  claims.Add(2, "a");
  claims.Add(2, "b");
  ASSERT_TRUE(claims.is_full());
  ASSERT_NE(claims.YieldingTo(3), nullptr);
  EXPECT_EQ(*claims.YieldingTo(3), "oldest");
  claims.Remove(1, oldest);
  EXPECT_EQ(claims.size(), 5);
  EXPECT_EQ(*claims.YieldingTo(3), "0");
}

TEST(Claims, GiveWayUntilAllHaveAsMuchAndNoLonger) {
  constexpr size_t kMax = 60;
  Claims claims(kMax, kMax);
  std::map<std::string, std::pair<uint64_t, Claims::Claim>> held;
  int given_way = 0;
  for (int i = 0; i < 10000; ++i) {
    // The first one takes all at once, five others follow.
    const uint64_t network = i < 60 ? 0 : static_cast<uint64_t>(i) % 6;
    if (claims.is_full()) {
      const std::string* const yielding = claims.YieldingTo(network);
      if (yielding == nullptr) continue;
      const auto it = held.find(*yielding);
      claims.Remove(it->second.first, it->second.second);
      held.erase(it);
      ++given_way;
    }
    const std::string key = absl::StrCat(i);
    held[key] = {network, claims.Add(network, key)};
  }
  std::map<uint64_t, int> of_network;
  for (const auto& [key, claim] : held) ++of_network[claim.first];
  for (const auto& [network, count] : of_network) EXPECT_EQ(count, 10) << network;
  EXPECT_EQ(of_network.size(), 6);
  EXPECT_EQ(given_way, 50);
}

}  // namespace
}  // namespace skimwatch::script
