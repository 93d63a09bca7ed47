#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

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

// `| UNIT | SCORE |` of docs/privileges.md. Each release of systemd grades a little differently.
TEST(SystemdScores, AreAsDocumented) {
  if (!absl::StrContains(RunTool({"systemd-analyze", "--version"}).output, "systemd 252")) {
    GTEST_SKIP() << "needs systemd-analyze of systemd 252";
  }
  const std::string agent = "skimwatch-agent.service";
  const testing::TempFolder folder;
  std::filesystem::create_directory(folder.File(agent + ".d"));
  std::filesystem::copy_file(kFolder + "/" + agent, folder.File(agent));
  std::filesystem::copy_file(kFolder + "/skimwatch-agent-tls.conf",
                             folder.File(agent + ".d/tls.conf"));
  const std::string document = ReadFile(std::string(SKIMWATCH_SOURCE_DIR) + "/docs/privileges.md");
  for (const auto& [unit, file] :
       {std::pair<std::string, std::string>("`skimwatch-collector.service`",
                                            kFolder + "/skimwatch-collector.service"),
        {"`skimwatch-agent.service`", kFolder + "/" + agent},
        {"`skimwatch-agent.service` with `skimwatch-agent-tls.conf`", folder.File(agent)}}) {
    const std::string output =
        RunTool({"systemd-analyze", "security", "--no-pager", "--offline=yes", file}).output;
    const std::string found = output.substr(output.rfind("service: ") + 9, 3);
    EXPECT_THAT(document, HasSubstr(absl::StrCat("\n| ", unit, " | ", found, " | "))) << output;
  }
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

// systemd adds up the lines of some keys, so that two that contradict each other go unseen.
TEST_P(SystemdUnit, SetsNothingTwiceThatIsNoListOfSystemCalls) {
  std::set<std::string> keys;
  std::istringstream lines(text_);
  for (std::string line; std::getline(lines, line);) {
    const std::string key = line.substr(0, line.find('='));
    if (line.starts_with("#") || key == line || key == "SystemCallFilter") continue;
    EXPECT_TRUE(keys.insert(key).second) << line;
  }
}

// As systemd does: each line adds, or with `~` takes away, in their order.
TEST(SystemdAgentUnit, LetsItGiveItsSocketsToAGroup) {
  std::istringstream lines(ReadFile(kFolder + "/skimwatch-agent.service"));
  bool privileged = false;
  std::set<std::string> given;
  for (std::string line; std::getline(lines, line);) {
    const std::string key = "SystemCallFilter=";
    if (!line.starts_with(key)) continue;
    if (line == key + "~@privileged") {
      privileged = false;
      given.clear();
      continue;
    }
    std::istringstream calls(line.substr(key.size()));
    for (std::string call; calls >> call;) {
      if (call == "@privileged") privileged = true;
      given.insert(call);
    }
  }
  // chown(2) on x86-64, fchownat(2) on arm64.
  EXPECT_THAT(given, ::testing::IsSupersetOf({"capset", "chown", "fchownat"}));
  EXPECT_FALSE(privileged);
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
