#include <map>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/deploy/program.h"
#include "yaml-cpp/yaml.h"

namespace skimwatch {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::ReadFile;
using testing::RunTool;

const std::string kFolder = std::string(SKIMWATCH_SOURCE_DIR) + "/deploy/prometheus";

// Every alerting rule by its name.
std::map<std::string, YAML::Node> Alerts() {
  std::map<std::string, YAML::Node> alerts;
  for (const YAML::Node& group : YAML::LoadFile(kFolder + "/alerts.yml")["groups"]) {
    for (const YAML::Node& rule : group["rules"]) {
      EXPECT_TRUE(alerts.emplace(rule["alert"].as<std::string>(), rule).second)
          << rule["alert"] << " is there twice";
    }
  }
  EXPECT_FALSE(alerts.empty());
  return alerts;
}

std::string Annotation(const YAML::Node& rule, const std::string& name) {
  const YAML::Node annotation = rule["annotations"][name];
  return annotation ? annotation.as<std::string>() : "";
}

TEST(Alerts, SaysWhoIsTold) {
  for (const auto& [name, rule] : Alerts()) {
    SCOPED_TRACE(name);
    EXPECT_THAT(rule["labels"]["severity"].as<std::string>(""), AnyOf("page", "ticket"));
  }
}

TEST(Alerts, SaysWhatHappenedAndWhatToDo) {
  for (const auto& [name, rule] : Alerts()) {
    SCOPED_TRACE(name);
    EXPECT_NE(Annotation(rule, "summary"), "");
    EXPECT_GT(Annotation(rule, "description").size(), Annotation(rule, "summary").size());
  }
}

TEST(Alerts, LeadsToItsSectionOfTheRunbook) {
  const std::string runbook = ReadFile(std::string(SKIMWATCH_SOURCE_DIR) + "/docs/runbook.md");
  for (const auto& [name, rule] : Alerts()) {
    SCOPED_TRACE(name);
    EXPECT_EQ(Annotation(rule, "runbook_url"),
              absl::StrCat("docs/runbook.md#", absl::AsciiStrToLower(name)));
    EXPECT_THAT(runbook, HasSubstr(absl::StrCat("\n### ", name, "\n")));
  }
}

TEST(Alerts, IsTestedFiringAndNotFiring) {
  std::set<std::string> firing;
  std::set<std::string> silent;
  for (const YAML::Node& test : YAML::LoadFile(kFolder + "/tests/alerts_test.yml")["tests"]) {
    for (const YAML::Node& expectation : test["alert_rule_test"]) {
      const auto name = expectation["alertname"].as<std::string>();
      (expectation["exp_alerts"].size() > 0 ? firing : silent).insert(name);
    }
  }
  std::set<std::string> names;
  for (const auto& [name, rule] : Alerts()) names.insert(name);
  EXPECT_EQ(firing, names);
  EXPECT_EQ(silent, names);
}

TEST(Alerts, PassesItsUnitTests) {
  const testing::Outcome outcome =
      RunTool({"promtool", "test", "rules", kFolder + "/tests/alerts_test.yml"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

TEST(RecordingRules, ArePassedByTheirUnitTestsEachOne) {
  const std::string tests = kFolder + "/tests/recording_test.yml";
  const testing::Outcome outcome = RunTool({"promtool", "test", "rules", tests});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  const std::string text = ReadFile(tests);
  for (const YAML::Node& group : YAML::LoadFile(kFolder + "/recording.yml")["groups"]) {
    for (const YAML::Node& rule : group["rules"]) {
      EXPECT_THAT(text, HasSubstr("expr: " + rule["record"].as<std::string>() + "\n"));
    }
  }
}

TEST(PrometheusConfiguration, IsAccepted) {
  const testing::Outcome outcome =
      RunTool({"promtool", "check", "config", kFolder + "/prometheus.yml"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

}  // namespace
}  // namespace skimwatch
