#include "agent/traffic/protocol/request_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace skimwatch::traffic {
namespace {

HttpRequest To(int number) { return {.path = "/" + std::to_string(number)}; }

TEST(RequestQueue, GivesTheOldestFirst) {
  RequestQueue queue;
  EXPECT_TRUE(queue.empty());
  queue.Push(To(1));
  queue.Push(To(2));
  EXPECT_EQ(queue.front().path, "/1");
  queue.Pop();
  EXPECT_EQ(queue.front().path, "/2");
  queue.Pop();
  EXPECT_TRUE(queue.empty());
}

TEST(RequestQueue, ForgetsTheOldestOfTooMany) {
  RequestQueue queue;
  for (int i = 0; i < 1000; ++i) queue.Push(To(i));
  EXPECT_EQ(queue.front().path, "/" + std::to_string(1000 - RequestQueue::kMax));
  EXPECT_LE(queue.held(), 2 * RequestQueue::kMax);
}

// Whatever number of answers comes at once, and though one request is always open.
TEST(RequestQueue, StaysSmallWhileItNeverRunsEmpty) {
  for (int at_once = 1; at_once <= 32; ++at_once) {
    RequestQueue queue;
    int next = 0;
    int oldest = 0;
    for (; next < 2 * at_once; ++next) queue.Push(To(next));
    for (int round = 0; round < 1000; ++round) {
      for (int i = 0; i < at_once; ++i, ++oldest) queue.Pop();
      for (int i = 0; i < at_once; ++i, ++next) queue.Push(To(next));
      ASSERT_EQ(queue.front().path, "/" + std::to_string(oldest)) << at_once;
      ASSERT_LE(queue.held(), 3 * RequestQueue::kMax) << at_once;
    }
  }
}

}  // namespace
}  // namespace skimwatch::traffic
