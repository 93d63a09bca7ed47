#include "agent/offline/processors.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::offline {
namespace {

class ProcessorsTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    const std::string path = folder_.File(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }

  testing::TempFolder folder_;
};

TEST_F(ProcessorsTest, AreThoseOfTheQuotaRoundedUp) {
  Write("service/cpu.max", "150000 100000\n");
  EXPECT_EQ(ControlGroupProcessors("0::/service\n", folder_.path()), 2U);
  Write("service/cpu.max", "50000 100000\n");
  EXPECT_EQ(ControlGroupProcessors("0::/service\n", folder_.path()), 1U);
}

TEST_F(ProcessorsTest, AreTheLeastOfAllGroupsAbove) {
  Write("a/b/cpu.max", "800000 100000\n");
  Write("a/cpu.max", "300000 100000\n");
  Write("cpu.max", "max 100000\n");
  EXPECT_EQ(ControlGroupProcessors("0::/a/b\n", folder_.path()), 3U);
}

TEST_F(ProcessorsTest, AreNotBoundWithoutQuota) {
  EXPECT_EQ(ControlGroupProcessors("0::/\n", folder_.path()), 0U);
  Write("cpu.max", "max 100000\n");
  EXPECT_EQ(ControlGroupProcessors("0::/\n", folder_.path()), 0U);
  for (const char* const nonsense : {"", "x y\n", "1 0\n", "-1 100000\n", "1\n", "1 2 3\n"}) {
    Write("cpu.max", nonsense);
    EXPECT_EQ(ControlGroupProcessors("0::/\n", folder_.path()), 0U) << nonsense;
  }
  EXPECT_EQ(ControlGroupProcessors("", folder_.path()), 0U);
  EXPECT_EQ(ControlGroupProcessors("nonsense\n1:2\n", folder_.path()), 0U);
}

TEST_F(ProcessorsTest, KnowTheFirstVersion) {
  Write("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "250000\n");
  Write("cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(ControlGroupProcessors("12:memory:/m\n4:cpu,cpuacct:/docker/x\n", folder_.path()), 3U);
  Write("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(ControlGroupProcessors("4:cpu,cpuacct:/docker/x\n", folder_.path()), 0U);
}

TEST_F(ProcessorsTest, SeeTheRootWhereThePathIsOutsideOfTheContainer) {
  Write("cpu.max", "200000 100000\n");
  EXPECT_EQ(ControlGroupProcessors("0::/kubepods/pod1/abc\n", folder_.path()), 2U);
}

TEST(Processors, AreAtLeastOne) { EXPECT_GE(AvailableProcessors(), 1U); }

}  // namespace
}  // namespace skimwatch::offline
