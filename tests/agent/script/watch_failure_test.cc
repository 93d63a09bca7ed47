#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::MonitorFixture;
using ::testing::Contains;
using ::testing::HasSubstr;

// What goes wrong, shared by every notifier that a monitor makes.
struct Trouble {
  std::atomic<bool> swallow = false;
  std::atomic<bool> overflow = false;
  std::atomic<bool> broken = false;
  std::atomic<int> watches_left = 1 << 20;
  std::atomic<int> made = 0;
};

// inotify with trouble.
class TroubledNotifier : public Notifier {
 public:
  TroubledNotifier(std::unique_ptr<Notifier> real, Trouble& trouble)
      : real_(std::move(real)), trouble_(trouble) {}

  absl::StatusOr<int> Watch(const std::string& path) override {
    if (--trouble_.watches_left < 0) return absl::ResourceExhaustedError("no watches left");
    return real_->Watch(path);
  }
  void Unwatch(int watch) override { real_->Unwatch(watch); }
  absl::Status Read(absl::Duration timeout, std::vector<Notification>& notifications) override {
    if (trouble_.broken.exchange(false)) return absl::InternalError("broken for the test");
    std::vector<Notification> read;
    absl::Status status = real_->Read(timeout, read);
    if (!trouble_.swallow) notifications = std::move(read);
    if (trouble_.overflow.exchange(false)) {
      notifications.push_back({.kind = Notification::Kind::kOverflow, .watch = -1, .name = ""});
    }
    return status;
  }
  void Wake() override { real_->Wake(); }

 private:
  std::unique_ptr<Notifier> real_;
  Trouble& trouble_;
};

class WatchFailureTest : public MonitorFixture {
 protected:
  WatchFailureTest() {
    spdlog::set_level(spdlog::level::off);
    options_.make_notifier = [this]() -> absl::StatusOr<std::unique_ptr<Notifier>> {
      ++trouble_.made;
      absl::StatusOr<std::unique_ptr<Notifier>> real = MakeInotifyNotifier();
      if (!real.ok()) return real.status();
      return std::make_unique<TroubledNotifier>(*std::move(real), trouble_);
    };
  }
  ~WatchFailureTest() override { monitor_.reset(); }

  Trouble trouble_;
};

TEST_F(WatchFailureTest, OverflowLeadsToAFullLook) {
  root_.Write("a.js", "a");
  Start();
  trouble_.swallow = true;
  root_.Write("a.js", "changed");
  root_.Write("new/b.js", "b");
  trouble_.overflow = true;
  trouble_.swallow = false;
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(1), ::testing::UnorderedElementsAre("CHANGED a.js", "ADDED new/b.js"));
  EXPECT_EQ(monitor_->GetStats().overflows, 1u);
  // And the new folder is watched.
  root_.Write("new/b.js", "again");
  ASSERT_TRUE(sink_.WaitForSize(4));
}

TEST_F(WatchFailureTest, LostNotificationsAreFoundByTheInterval) {
  root().set_rescan_interval_seconds(1);
  root_.Write("a.js", "a");
  Start();
  trouble_.swallow = true;
  root_.Write("a.js", "changed");
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Said()[1], "CHANGED a.js");
}

TEST_F(WatchFailureTest, OutOfWatchesFallsBackToTheIntervalAndSaysSo) {
  root().set_rescan_interval_seconds(1);
  root_.Write("a.js", "a");
  root_.Write("x/b.js", "b");
  root_.Write("y/c.js", "c");
  trouble_.watches_left = 1;
  Start();
  EXPECT_EQ(monitor_->GetStats().folders_unwatched, 2u);
  EXPECT_GE(monitor_->GetStats().errors, 2u);
  EXPECT_THAT(monitor_->GetStats().last_error, HasSubstr("no watches left"));
  root_.Write("x/b.js", "changed");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_EQ(sink_.Said()[3], "CHANGED x/b.js");
  // Once there are watches again, they are taken.
  trouble_.watches_left = 1 << 20;
  Await([](const Stats& stats) { return stats.folders_unwatched == 0 && stats.errors == 0; });
}

TEST_F(WatchFailureTest, BrokenNotifierIsReplacedAndNothingIsMissed) {
  root_.Write("a.js", "a");
  Start();
  trouble_.swallow = true;
  root_.Write("a.js", "changed");
  trouble_.broken = true;
  trouble_.swallow = false;
  ASSERT_TRUE(sink_.WaitForSize(2));
  Await([&](const Stats& stats) {
    return stats.watcher_restarts == 1 && trouble_.made == 2 && stats.errors == 0;
  });
  // It watches again.
  root_.Write("a.js", "again");
  ASSERT_TRUE(sink_.WaitForSize(3));
}

TEST_F(WatchFailureTest, WorksWithoutAnyNotifier) {
  options_.make_notifier = []() -> absl::StatusOr<std::unique_ptr<Notifier>> {
    return absl::ResourceExhaustedError("no instances left");
  };
  root().set_rescan_interval_seconds(1);
  root_.Write("a.js", "a");
  Start();
  EXPECT_THAT(monitor_->GetStats().last_error, HasSubstr("no instances left"));
  EXPECT_EQ(monitor_->GetStats().folders_unwatched, 1u);
  root_.Write("a.js", "changed");
  ASSERT_TRUE(sink_.WaitForSize(2));
  ApproveAll();
}

}  // namespace
}  // namespace skimwatch::script
