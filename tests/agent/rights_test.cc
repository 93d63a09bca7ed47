#include "agent/rights.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::agent {
namespace {

// What /proc says in `field` of each thread of this process.
std::vector<std::string> OfThreads(const std::string& field) {
  std::vector<std::string> values;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(field)) values.push_back(line.substr(line.find_last_of("\t ") + 1));
    }
  }
  return values;
}

// 0 where `keep` was all that any of four threads had left, and none of them may gain more.
int KeepOnThreads(uint64_t keep) {
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&done] { done.wait(false); });
  }
  int result = 0;
  if (OfThreads("NoNewPrivs:") != std::vector<std::string>(4, "0")) result = 1;
  if (result == 0 && !KeepCapabilities(keep).ok()) result = 2;
  if (result == 0 && OfThreads("NoNewPrivs:") != std::vector<std::string>(4, "1")) result = 3;
  for (const std::string& permitted : OfThreads("CapPrm:")) {
    if (result == 0 && (std::stoull(permitted, nullptr, 16) & ~keep) != 0) result = 4;
  }
  done = true;
  done.notify_all();
  for (std::thread& thread : threads) thread.join();
  return result;
}

TEST(KeepCapabilities, HoldsOnEveryThreadAlsoWhereNoneHasOneToGiveUp) {
  for (const uint64_t keep : {~uint64_t{0}, uint64_t{0}}) {
    // It can't be undone.
    const pid_t child = fork();
    if (child == 0) _exit(KeepOnThreads(keep));
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << keep;
  }
}

}  // namespace
}  // namespace skimwatch::agent
