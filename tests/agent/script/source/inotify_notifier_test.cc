#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "agent/script/source/notifier.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/tree.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::Tree;
using Kind = Notification::Kind;

class InotifyNotifierTest : public ::testing::Test {
 protected:
  InotifyNotifierTest() {
    auto notifier = MakeInotifyNotifier();
    EXPECT_TRUE(notifier.ok()) << notifier.status();
    notifier_ = *std::move(notifier);
    auto watch = notifier_->Watch(tree_.path());
    EXPECT_TRUE(watch.ok()) << watch.status();
    watch_ = watch.value_or(-1);
  }

  std::set<Kind> KindsOf(const std::string& name) {
    std::vector<Notification> read;
    EXPECT_TRUE(notifier_->Read(absl::Seconds(5), read).ok());
    std::set<Kind> kinds;
    for (const Notification& notification : read) {
      if (notification.name == name && notification.watch == watch_) {
        kinds.insert(notification.kind);
      }
    }
    return kinds;
  }

  Tree tree_;
  std::unique_ptr<Notifier> notifier_;
  int watch_ = -1;
};

TEST_F(InotifyNotifierTest, TellsAWriterFromAWholeFile) {
  std::ofstream file(tree_.At("a.js"));
  EXPECT_EQ(KindsOf("a.js"), std::set<Kind>{Kind::kCreated});
  file << "x" << std::flush;
  EXPECT_EQ(KindsOf("a.js"), std::set<Kind>{Kind::kWriting});
  file.close();
  EXPECT_EQ(KindsOf("a.js"), std::set<Kind>{Kind::kSettled});
}

TEST_F(InotifyNotifierTest, TellsMovesAndRemovals) {
  tree_.Write("a.js", "x");
  tree_.Move("a.js", "b.js");
  tree_.Remove("b.js");
  std::vector<Notification> read;
  ASSERT_TRUE(notifier_->Read(absl::Seconds(5), read).ok());
  std::vector<Kind> of_b;
  for (const Notification& notification : read) {
    if (notification.name == "b.js") of_b.push_back(notification.kind);
  }
  EXPECT_EQ(of_b, (std::vector<Kind>{Kind::kSettled, Kind::kGone}));
}

TEST_F(InotifyNotifierTest, TellsTheEndOfAWatch) {
  tree_.MakeFolder("d");
  const auto watch = notifier_->Watch(tree_.At("d"));
  ASSERT_TRUE(watch.ok());
  tree_.Remove("d");
  std::vector<Notification> read;
  ASSERT_TRUE(notifier_->Read(absl::Seconds(5), read).ok());
  bool ended = false;
  for (const Notification& notification : read) {
    ended |= notification.kind == Kind::kWatchEnded && notification.watch == *watch;
  }
  EXPECT_TRUE(ended);
}

TEST_F(InotifyNotifierTest, RefusesWhatIsNoFolder) {
  tree_.Write("f", "x");
  EXPECT_TRUE(absl::IsNotFound(notifier_->Watch(tree_.At("f")).status()));
  EXPECT_TRUE(absl::IsNotFound(notifier_->Watch(tree_.At("none")).status()));
}

TEST_F(InotifyNotifierTest, WakeEndsAWait) {
  std::thread waker([this] { notifier_->Wake(); });
  const absl::Time begin = absl::Now();
  std::vector<Notification> read;
  EXPECT_TRUE(notifier_->Read(absl::Seconds(30), read).ok());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
  EXPECT_TRUE(read.empty());
  waker.join();
}

TEST_F(InotifyNotifierTest, OverflowOfTheKernelsQueueIsTold) {
  std::ifstream limit_file("/proc/sys/fs/inotify/max_queued_events");
  uint64_t limit = 0;
  limit_file >> limit;
  if (limit == 0 || limit > 100'000) GTEST_SKIP() << "a queue of " << limit << " is too long";
  for (uint64_t i = 0; i <= limit / 2; ++i) {
    // Two different files in turn, since the kernel folds equal neighbours.
    std::ofstream(tree_.At(i % 2 == 0 ? "a" : "b")) << i;
  }
  bool overflowed = false;
  std::vector<Notification> read;
  do {
    read.clear();
    ASSERT_TRUE(notifier_->Read(absl::ZeroDuration(), read).ok());
    for (const Notification& notification : read)
      overflowed |= notification.kind == Kind::kOverflow;
  } while (!read.empty());
  EXPECT_TRUE(overflowed);
}

}  // namespace
}  // namespace skimwatch::script
