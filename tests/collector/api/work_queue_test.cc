#include "collector/api/work_queue.h"

#include <atomic>
#include <memory>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace skimwatch::api {
namespace {

TEST(WorkQueue, RefusesWhatDoesNotFit) {
  absl::Notification begun;
  absl::Notification go_on;
  std::atomic<int> done = 0;
  {
    WorkQueue queue({.threads = 1, .waiting_max = 2});
    ASSERT_TRUE(queue.TryAdd([&] {
      begun.Notify();
      go_on.WaitForNotification();
      ++done;
    }));
    begun.WaitForNotification();
    EXPECT_TRUE(queue.TryAdd([&] { ++done; }));
    EXPECT_TRUE(queue.TryAdd([&] { ++done; }));
    EXPECT_FALSE(queue.TryAdd([&] { ++done; }));
    queue.Add([&] { ++done; });
    go_on.Notify();
  }
  EXPECT_EQ(done, 4);
}

TEST(WorkQueue, RunsWhatItTookBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    WorkQueue queue({.threads = 3, .waiting_max = 1000});
    for (int i = 0; i < 1000; ++i) {
      while (!queue.TryAdd([&] { ++done; })) {
      }
    }
  }
  EXPECT_EQ(done, 1000);
}

}  // namespace
}  // namespace skimwatch::api
