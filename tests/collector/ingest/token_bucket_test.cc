#include "collector/ingest/token_bucket.h"

#include "gtest/gtest.h"

namespace skimwatch::ingest {
namespace {

constexpr absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(TokenBucket, LetsABurstOfOneSecondPassAndHoldsBackTheRest) {
  TokenBucket bucket(100, kStart);
  EXPECT_EQ(bucket.Take(100, kStart), absl::ZeroDuration());
  EXPECT_EQ(bucket.Take(50, kStart), absl::Milliseconds(500));
  EXPECT_EQ(bucket.Take(50, kStart), absl::Seconds(1));
  EXPECT_EQ(bucket.Take(0, kStart + absl::Seconds(1)), absl::ZeroDuration());
}

TEST(TokenBucket, DoesNotSaveUpBeyondItsBurst) {
  TokenBucket bucket(100, kStart);
  EXPECT_EQ(bucket.Take(200, kStart + absl::Hours(1)), absl::Seconds(1));
}

TEST(TokenBucket, AClockThatStandsOrGoesBackGivesNothing) {
  TokenBucket bucket(100, kStart);
  bucket.Take(100, kStart);
  EXPECT_EQ(bucket.Take(10, kStart - absl::Hours(1)), absl::Milliseconds(100));
}

}  // namespace
}  // namespace skimwatch::ingest
