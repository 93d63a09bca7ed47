#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/temp_store.h"
#include "tests/deploy/program.h"

namespace skimwatch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Outcome;
using testing::ReadFile;
using testing::RunTool;

const std::string kFolder = std::string(SKIMWATCH_SOURCE_DIR) + "/deploy/systemd";

class SystemdUnit : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (RunTool({"systemd-analyze", "--version"}).exit_code != 0) {
      GTEST_SKIP() << "needs systemd-analyze";
    }
    text_ = ReadFile(kFolder + "/" + GetParam() + ".service");
    unit_ = folder_.File(GetParam() + ".service");
    // The programs are where they were built.
    std::ofstream(unit_) << absl::StrReplaceAll(
        text_, {{"/usr/bin/", std::string(SKIMWATCH_BIN_DIR) + "/"}});
  }

  std::string text_;
  std::string unit_;
  testing::TempFolder folder_;
};

TEST_P(SystemdUnit, IsAcceptedBySystemd) {
  const Outcome outcome = RunTool({"systemd-analyze", "verify", "--man=no", unit_});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  // Unknown keys are warnings only.
  EXPECT_THAT(outcome.output, IsEmpty());
}

TEST_P(SystemdUnit, LeavesTheProgramLittleToReach) {
  // Of 10.0; an ordinary service has 9.6.
  const Outcome outcome = RunTool(
      {"systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=25", unit_});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

TEST_P(SystemdUnit, StartsAsItsOwnUserAfterItsConfigurationWasChecked) {
  const std::string program = GetParam();
  for (const std::string& line :
       {std::string("Type=notify"), "User=" + program,
        absl::StrCat("ExecStartPre=/usr/bin/", program, " --config /etc/skimwatch/"),
        std::string("LimitCORE=0"), std::string("Restart=on-failure"),
        "StateDirectory=" + program}) {
    EXPECT_THAT(text_, HasSubstr("\n" + line));
  }
  EXPECT_THAT(ReadFile(absl::StrCat(kFolder, "/", program, ".sysusers.conf")),
              HasSubstr("\nu " + program + " "));
}

INSTANTIATE_TEST_SUITE_P(All, SystemdUnit,
                         ::testing::Values("skimwatch-agent", "skimwatch-collector"),
                         [](const auto& unit) {
                           return unit.param == "skimwatch-agent" ? "Agent" : "Collector";
                         });

TEST(SystemdSysusers, IsAcceptedBySystemd) {
  if (RunTool({"systemd-sysusers", "--version"}).exit_code != 0) {
    GTEST_SKIP() << "needs systemd-sysusers";
  }
  const testing::TempFolder root;
  std::filesystem::create_directory(root.File("etc"));
  const Outcome outcome = RunTool({"systemd-sysusers", "--root=" + root.path(),
                                   kFolder + "/skimwatch-agent.sysusers.conf",
                                   kFolder + "/skimwatch-collector.sysusers.conf"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  const std::string users = ReadFile(root.File("etc/passwd"));
  EXPECT_THAT(users, HasSubstr("skimwatch-agent:"));
  EXPECT_THAT(users, HasSubstr("skimwatch-collector:"));
}

}  // namespace
}  // namespace skimwatch
