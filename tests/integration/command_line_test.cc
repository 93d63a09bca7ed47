// What the agent's program says to whoever starts it by hand.

#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class AgentProgram : public ::testing::Test {
 protected:
  testing::Result Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), SKIMWATCH_BIN_DIR "/skimwatch-agent");
    return testing::RunProgram(
        {.command = std::move(arguments), .environment = testing::SanitizerEnvironment()});
  }
  testing::Result Check(const std::string& yaml) const {
    const std::string path = folder_.File("agent.yaml");
    std::ofstream(path) << yaml;
    return Run({"--config", path, "--check-config"});
  }
  // Good but for `sources`.
  std::string Yaml(const std::string& sources) const {
    return absl::StrCat("sites: [{ name: shop }]\nstate_directory: ", folder_.File("state"),
                        "\ncollector: { address: \"unix:", folder_.File("none.sock"),
                        "\", tls: { plaintext: true } }\nmetrics: { listen: 127.0.0.1:0 }\n",
                        "sources: ", sources, "\n");
  }

  testing::TempFolder folder_;
};

TEST_F(AgentProgram, TellsEachErrorOfAConfigurationInALine) {
  const testing::Result result = Check("stes: []\nstate_directroy: x\n");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("agent.yaml:1:1: stes: "));
  EXPECT_THAT(result.err, HasSubstr("\nskimwatch-agent: "));
  EXPECT_THAT(result.err, HasSubstr("agent.yaml:2:1: state_directroy: "));
  EXPECT_THAT(result.err, Not(HasSubstr("\\n")));
}

TEST_F(AgentProgram, WarnsOfAPathThatLeadsNowhereBeforeAndWhenItStarts) {
  const std::string logs = folder_.File("lgo/*.log");
  const std::string yaml = Yaml("{ log_files: [{ paths: [\"" + logs + "\"] }] }");
  const testing::Result result = Check(yaml);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr(": good\n"));
  EXPECT_THAT(result.err, StartsWith("skimwatch-agent: warning: sources.log_files: " + logs +
                                     ": there is no folder "));
  testing::Daemon agent({.program = "skimwatch-agent", .folder = folder_.path()});
  ASSERT_NO_FATAL_FAILURE(agent.Start(yaml));
  EXPECT_THAT(agent.Log(), HasSubstr("log files: " + logs + ": there is no folder "));
}

TEST_F(AgentProgram, GoesOnWhenItIsHungUp) {
  std::ofstream(folder_.File("a.log"));
  testing::Daemon agent({.program = "skimwatch-agent", .folder = folder_.path()});
  ASSERT_NO_FATAL_FAILURE(
      agent.Start(Yaml("{ log_files: [{ paths: [\"" + folder_.File("a.log") + "\"] }] }")));
  ASSERT_EQ(kill(agent.pid(), SIGHUP), 0);
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return agent.Log().find("SIGHUP changes nothing") != std::string::npos; }));
  EXPECT_TRUE(agent.IsRunning());
  EXPECT_EQ(agent.Stop(SIGTERM), 0);
  EXPECT_THAT(agent.Log(), HasSubstr("stopped"));
}

TEST_F(AgentProgram, ExplainsWhatIsNoPage) {
  const testing::Result result = Run({"check-page", "foo"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, AllOf(StartsWith("skimwatch-agent: URL: found `foo`, expected"),
                                Not(HasSubstr("pages.checks"))));
  EXPECT_THAT(Run({"check-page", "--help"}).out,
              AllOf(HasSubstr("--seconds N "), Not(HasSubstr("INT in"))));
}

TEST_F(AgentProgram, NamesTheOptionsThatABrowserNeedsWhereItIsRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "is about root";
  const testing::Result result =
      Run({"check-page", "--browser", "/bin/true", "http://127.0.0.1:1/"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--user"), HasSubstr("--no-sandbox")));
}

TEST_F(AgentProgram, ChecksAPageInJson) {
  const testing::Result result =
      Run({"check-page", "--browser", "none", "--output", "json", "http://127.0.0.1:1/"});
  EXPECT_EQ(result.code, 2);
  const nlohmann::json look = nlohmann::json::parse(result.out);
  EXPECT_EQ(look["outcome"], "not_loaded");
  EXPECT_EQ(look["is_static"], true);
  EXPECT_NE(look["reason"], "");
  EXPECT_TRUE(look["scripts"].is_array());
  EXPECT_TRUE(look["departures"].empty());
}

}  // namespace
}  // namespace skimwatch::integration
