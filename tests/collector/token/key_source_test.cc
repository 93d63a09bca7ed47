#include "collector/token/key_source.h"

#include <atomic>
#include <string>

#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "tests/collector/token/token_key.h"
#include "tests/support/daemon.h"

namespace skimwatch::token {
namespace {

using testing::WaitUntil;

class KeySourceTest : public ::testing::Test {
 protected:
  // Loads what `text_` says then; nothing once it is empty.
  KeySource::Options Options() {
    return {.name = "test",
            .load = [this]() -> absl::StatusOr<std::string> {
              ++loads_;
              absl::MutexLock lock(&mutex_);
              if (text_.empty()) return absl::UnavailableError("the provider is down");
              return text_;
            },
            .refresh = absl::Hours(1),
            .retry = absl::Hours(1),
            .wanted_min = absl::Seconds(30),
            .keep = absl::Hours(24),
            .now =
                [this] {
                  absl::MutexLock lock(&mutex_);
                  return now_;
                }};
  }

  void Set(const std::string& text) {
    absl::MutexLock lock(&mutex_);
    text_ = text;
  }

  void Advance(absl::Duration more) {
    absl::MutexLock lock(&mutex_);
    now_ += more;
  }

  std::atomic<int> loads_ = 0;
  absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1'800'000'000);
  std::string text_ ABSL_GUARDED_BY(mutex_) =
      testing::Jwks({testing::TokenKey("P-256", "a").Jwk()});
};

TEST_F(KeySourceTest, KeepsKeysOfAProviderThatIsDownForADay) {
  KeySource source(Options());
  ASSERT_TRUE(source.AwaitFirstLoad(absl::Seconds(30)));
  ASSERT_NE(source.Get(), nullptr);
  Set("");
  Advance(absl::Hours(23));
  ASSERT_TRUE(source.Want());
  ASSERT_TRUE(WaitUntil([&] { return loads_ == 2; }));
  EXPECT_NE(source.Get(), nullptr);
  Advance(absl::Hours(1) + absl::Seconds(1));
  EXPECT_EQ(source.Get(), nullptr);
}

TEST_F(KeySourceTest, KeepsKeysWhenWhatComesIsNoKeys) {
  KeySource source(Options());
  ASSERT_TRUE(source.AwaitFirstLoad(absl::Seconds(30)));
  Set("<html>maintenance</html>");
  Advance(absl::Minutes(1));
  ASSERT_TRUE(source.Want());
  ASSERT_TRUE(WaitUntil([&] { return loads_ == 2; }));
  EXPECT_NE(source.Get(), nullptr);
}

// Whoever makes up key ids must not make the collector ask its provider without end.
TEST_F(KeySourceTest, IsAskedForUnknownKeysOnceInAWhile) {
  KeySource source(Options());
  ASSERT_TRUE(source.AwaitFirstLoad(absl::Seconds(30)));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(source.Want());
  EXPECT_EQ(loads_, 1);
  Advance(absl::Seconds(31));
  EXPECT_TRUE(source.Want());
  ASSERT_TRUE(WaitUntil([&] { return loads_ == 2; }));
  ASSERT_TRUE(WaitUntil([&] { return !source.Want(); }));
  EXPECT_LE(loads_, 2);
}

TEST_F(KeySourceTest, HasNoKeysBeforeTheFirstAreThere) {
  Set("");
  KeySource source(Options());
  ASSERT_TRUE(source.AwaitFirstLoad(absl::Seconds(30)));
  EXPECT_EQ(source.Get(), nullptr);
}

TEST_F(KeySourceTest, LoadsAgainByItself) {
  KeySource::Options options = Options();
  options.refresh = options.retry = absl::Milliseconds(1);
  KeySource source(options);
  EXPECT_TRUE(WaitUntil([&] { return loads_ >= 3; }));
  Set("");
  const int before = loads_;
  EXPECT_TRUE(WaitUntil([&] { return loads_ >= before + 3; }));
}

}  // namespace
}  // namespace skimwatch::token
