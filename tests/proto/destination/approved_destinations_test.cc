#include "proto/destination/approved_destinations.h"

#include "gtest/gtest.h"

namespace skimwatch::destination {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(ApprovedDestinations, HoldForTheirSiteAndProcess) {
  ApprovedDestinations approved;
  ASSERT_TRUE(
      approved.Add("shop", "example.com", "/usr/sbin/php-fpm", absl::InfiniteFuture()).ok());
  EXPECT_TRUE(approved.Find("shop", "example.com", "/usr/sbin/php-fpm", kNow).has_value());
  EXPECT_FALSE(approved.Find("shop", "example.com", "/usr/bin/curl", kNow).has_value());
  EXPECT_FALSE(approved.Find("shop", "example.com", "", kNow).has_value());
  EXPECT_FALSE(approved.Find("blog", "example.com", "/usr/sbin/php-fpm", kNow).has_value());
}

TEST(ApprovedDestinations, EndWhenTheyEnd) {
  ApprovedDestinations approved;
  ASSERT_TRUE(approved.Add("shop", "example.com", "", kNow).ok());
  EXPECT_TRUE(approved.Find("shop", "example.com", "", kNow - absl::Seconds(1)).has_value());
  EXPECT_FALSE(approved.Find("shop", "example.com", "", kNow).has_value());
}

TEST(ApprovedDestinations, TheOneThatEndsLastCounts) {
  ApprovedDestinations approved;
  ASSERT_TRUE(approved.Add("shop", "192.0.2.0/24", "", kNow + absl::Hours(1)).ok());
  ASSERT_TRUE(approved.Add("shop", "192.0.2.7", "", kNow + absl::Hours(3)).ok());
  ASSERT_TRUE(approved.Add("shop", "192.0.0.0/16", "", kNow + absl::Hours(2)).ok());
  EXPECT_EQ(approved.Find("shop", "192.0.2.7", "", kNow), 1U);
  EXPECT_EQ(approved.Find("shop", "192.0.2.8", "", kNow), 2U);
  EXPECT_EQ(approved.Find("shop", "192.1.2.8", "", kNow), std::nullopt);
}

TEST(ApprovedDestinations, SaysWhatIsWrongWithAPattern) {
  ApprovedDestinations approved;
  EXPECT_TRUE(absl::IsInvalidArgument(approved.Add("shop", "*.com", "", kNow)));
  EXPECT_EQ(approved.size(), 0U);
}

}  // namespace
}  // namespace skimwatch::destination
