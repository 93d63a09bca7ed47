#include "agent/memory/startup_pages.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace skimwatch::memory {
namespace {

// Pages of files that are in memory for this process, in KiB.
int FileKib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssFile:", 0) == 0) return std::stoi(line.substr(8));
  }
  return -1;
}

TEST(StartupPages, GoAndComeBackWhenTheyAreNeeded) {
  static std::array<int, 3> written = {1, 2, 3};
  written[1] = 20;
  const int before = FileKib();
  ReleaseStartupPages();
  const int after = FileKib();
  ASSERT_GT(before, 0);
  EXPECT_LT(after, before);
  // Code that has not run since, data that was written, and a relocated table of functions.
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f %d", 1.5, written[1]);
  EXPECT_STREQ(text.data(), "1.500 20");
  EXPECT_EQ(std::to_string(std::stod("2.5")), "2.500000");
}

}  // namespace
}  // namespace skimwatch::memory
