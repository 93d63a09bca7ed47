#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/deploy/program.h"
#include "tests/support/temp_folder.h"

namespace skimwatch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using testing::ReadFile;
using testing::RunTool;

const std::string kGenerate = std::string(SKIMWATCH_SOURCE_DIR) + "/deploy/mixin/generate.sh";

class Mixin : public ::testing::Test {
 protected:
  void SetUp() override {
    if (RunTool({"jsonnet", "--version"}).exit_code != 0) GTEST_SKIP() << "needs jsonnet";
  }
};

TEST_F(Mixin, MadeTheRulesAndDashboardsThatAreCommitted) {
  const Outcome outcome = RunTool({kGenerate, "--check"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, IsEmpty());
}

TEST_F(Mixin, TakesNamesAndThresholdsOfAnotherConfiguration) {
  const testing::TempFolder folder;
  std::ofstream(folder.File("own.jsonnet"))
      << "(import 'mixin.libsonnet') { config+:: { agentSilentSeconds: 654,\n"
         "  collectorJob: 'cards', page: 'sev1', runbook: 'https://wiki.example/%s',\n"
         "  dashboardPrefix: 'pay' } }\n";
  const Outcome outcome =
      RunTool({kGenerate, "--mixin", folder.File("own.jsonnet"), "--into", folder.path()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  const std::string rules = folder.File("prometheus/alerts.yml");
  const Outcome check = RunTool({"promtool", "check", "rules", rules});
  EXPECT_EQ(check.exit_code, 0) << check.output;
  EXPECT_THAT(ReadFile(rules), HasSubstr("> 654\n"));
  EXPECT_THAT(ReadFile(rules), HasSubstr("up{job=\"cards\"}"));
  EXPECT_THAT(ReadFile(rules), HasSubstr("severity: sev1\n"));
  EXPECT_THAT(ReadFile(rules), HasSubstr("https://wiki.example/agentsilent\n"));
  const std::string fleet = ReadFile(folder.File("grafana/dashboards/fleet.json"));
  EXPECT_THAT(fleet, HasSubstr("\"uid\": \"pay-fleet\""));
  EXPECT_THAT(fleet, Not(HasSubstr("skimwatch-collector")));
}

TEST_F(Mixin, SaysWhichFileIsNotWhatItMakes) {
  const testing::TempFolder folder;
  ASSERT_EQ(RunTool({kGenerate, "--into", folder.path()}).exit_code, 0);
  std::ofstream(folder.File("prometheus/alerts.yml"), std::ios::app) << "# edited by hand\n";
  const Outcome outcome = RunTool({kGenerate, "--check", "--into", folder.path()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("prometheus/alerts.yml"));
}

}  // namespace
}  // namespace skimwatch
