#include "agent/script/source/browser_report/rate_limit.h"

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Verdict = RateLimit::Verdict;

class RateLimitTest : public ::testing::Test {
 protected:
  int Allowed(RateLimit& limit, uint64_t client, int requests) {
    int allowed = 0;
    for (int i = 0; i < requests; ++i) {
      if (limit.Take(client, now_) == Verdict::kAllowed) ++allowed;
    }
    return allowed;
  }
  RateLimit::Clock::time_point now_ = RateLimit::Clock::now();
};

TEST_F(RateLimitTest, AllowsABurstAndThenTheRate) {
  RateLimit limit({.client_rate = 10, .client_burst = 20});
  EXPECT_EQ(Allowed(limit, 1, 100), 20);
  EXPECT_EQ(limit.Take(1, now_), Verdict::kClientLimit);
  now_ += seconds(1);
  EXPECT_EQ(Allowed(limit, 1, 100), 10);
  // A silence is not saved up beyond the burst.
  now_ += seconds(3600);
  EXPECT_EQ(Allowed(limit, 1, 100), 20);
}

TEST_F(RateLimitTest, LetsNobodyTakeWhatIsThereForAll) {
  RateLimit limit({.client_rate = 1, .client_burst = 5, .total_rate = 100, .total_burst = 100});
  EXPECT_EQ(Allowed(limit, 1, 1'000'000), 5);
  for (uint64_t client = 2; client < 12; ++client) EXPECT_EQ(Allowed(limit, client, 5), 5);
}

TEST_F(RateLimitTest, BoundsAllClientsTogether) {
  RateLimit limit({.client_rate = 10, .client_burst = 10, .total_rate = 100, .total_burst = 50});
  int allowed = 0;
  for (uint64_t client = 0; client < 1000; ++client) allowed += Allowed(limit, client, 1);
  EXPECT_EQ(allowed, 50);
  EXPECT_EQ(limit.Take(5000, now_), Verdict::kTotalLimit);
  now_ += milliseconds(100);
  allowed = 0;
  for (uint64_t client = 0; client < 1000; ++client) allowed += Allowed(limit, client, 1);
  EXPECT_EQ(allowed, 10);
}

TEST_F(RateLimitTest, ForgetsTheSilentAndNotTheOneThatFloods) {
  RateLimit limit({.client_rate = 0.001,
                   .client_burst = 2,
                   .total_rate = 1e9,
                   .total_burst = 1e9,
                   .clients_max = 16});
  EXPECT_EQ(Allowed(limit, 1, 10), 2);
  for (uint64_t client = 100; client < 1000; ++client) {
    EXPECT_EQ(Allowed(limit, client, 1), 1);
    EXPECT_EQ(Allowed(limit, 1, 3), 0);
    EXPECT_LE(limit.clients(), 16);
  }
}

}  // namespace
}  // namespace skimwatch::script
