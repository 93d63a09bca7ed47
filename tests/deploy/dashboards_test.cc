#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/deploy/program.h"
#include "tests/deploy/watched_collector.h"
#include "yaml-cpp/yaml.h"

namespace skimwatch {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::ReadFile;
using testing::RunTool;
using ::testing::SizeIs;
using testing::WatchedCollector;

const std::string kGrafana = std::string(SKIMWATCH_SOURCE_DIR) + "/deploy/grafana";

// Every dashboard by its file.
std::map<std::string, json> Dashboards() {
  std::map<std::string, json> dashboards;
  for (const auto& entry : std::filesystem::directory_iterator(kGrafana + "/dashboards")) {
    dashboards[entry.path().filename()] = json::parse(ReadFile(entry.path()));
  }
  EXPECT_THAT(dashboards, Not(IsEmpty()));
  return dashboards;
}

// The panels that show data.
std::vector<json> Panels(const json& dashboard) {
  std::vector<json> panels;
  for (const json& panel : dashboard["panels"]) {
    if (panel["type"] != "row") panels.push_back(panel);
  }
  EXPECT_THAT(panels, Not(IsEmpty()));
  return panels;
}

// An expression of a panel as Grafana sends it with every variable at "All".
std::string Expression(const json& target) {
  return absl::StrReplaceAll(target["expr"].get<std::string>(),
                             {{"$__rate_interval", "10s"}, {"$site", ".*"}, {"$agent", ".*"}});
}

// The names of Skimwatch's metrics in an expression.
std::set<std::string> MetricsIn(const std::string& expression) {
  std::set<std::string> names;
  const std::regex name("skimwatch_[a-z_]+");
  for (std::sregex_iterator it(expression.begin(), expression.end(), name), end; it != end; ++it) {
    names.insert(it->str());
  }
  return names;
}

TEST(Dashboards, ExplainsEveryPanelAndGivesItsUnit) {
  for (const auto& [file, dashboard] : Dashboards()) {
    std::set<std::string> titles;
    for (const json& panel : Panels(dashboard)) {
      SCOPED_TRACE(absl::StrCat(file, ": ", panel["title"].get<std::string>()));
      EXPECT_TRUE(titles.insert(panel["title"]).second) << "a title is there twice";
      EXPECT_GT(panel["description"].get<std::string>().size(), 20u);
      EXPECT_NE(panel["fieldConfig"]["defaults"]["unit"].get<std::string>(), "");
      EXPECT_THAT(panel["targets"], Not(IsEmpty()));
    }
  }
}

TEST(Dashboards, TakesItsDataSourceFromAVariable) {
  for (const auto& [file, dashboard] : Dashboards()) {
    SCOPED_TRACE(file);
    std::map<std::string, json> variables;
    for (const json& variable : dashboard["templating"]["list"]) {
      variables[variable["name"]] = variable;
    }
    EXPECT_EQ(variables["datasource"]["type"], "datasource");
    for (const json& panel : Panels(dashboard)) {
      EXPECT_EQ(panel["datasource"]["uid"], "${datasource}");
      for (const json& target : panel["targets"]) {
        EXPECT_EQ(target["datasource"]["uid"], "${datasource}");
      }
    }
  }
}

TEST(Dashboards, HasAnIdOfItsOwnAndKnowsTheOthers) {
  std::set<std::string> uids;
  const std::map<std::string, json> dashboards = Dashboards();
  for (const auto& [file, dashboard] : dashboards) {
    EXPECT_TRUE(uids.insert("/d/" + dashboard["uid"].get<std::string>()).second) << file;
  }
  for (const auto& [file, dashboard] : dashboards) {
    std::set<std::string> known = {"/d/" + dashboard["uid"].get<std::string>()};
    for (const json& link : dashboard["links"]) known.insert(link["url"]);
    EXPECT_EQ(known, uids) << file;
  }
}

TEST(Dashboards, LaysItsPanelsSideBySide) {
  for (const auto& [file, dashboard] : Dashboards()) {
    std::set<std::pair<int, int>> taken;
    for (const json& panel : dashboard["panels"]) {
      const json& at = panel["gridPos"];
      EXPECT_LE(at["x"].get<int>() + at["w"].get<int>(), 24);
      for (int x = 0; x < at["w"]; ++x) {
        for (int y = 0; y < at["h"]; ++y) {
          EXPECT_TRUE(taken.emplace(at["x"].get<int>() + x, at["y"].get<int>() + y).second)
              << file << ": " << panel["title"] << " lies over another panel";
        }
      }
    }
  }
}

TEST(Dashboards, HasProvisioningFilesThatCanBeRead) {
  const YAML::Node sources = YAML::LoadFile(kGrafana + "/provisioning/datasources/skimwatch.yaml");
  EXPECT_EQ(sources["datasources"][0]["type"].as<std::string>(), "prometheus");
  const YAML::Node providers = YAML::LoadFile(kGrafana + "/provisioning/dashboards/skimwatch.yaml");
  EXPECT_EQ(providers["providers"][0]["type"].as<std::string>(), "file");
}

TEST(WatchedCollector, FillsEveryPanelKeepsEveryRuleAndPassesPromtool) {
  const WatchedCollector watched;
  if (HasFatalFailure()) return;

  std::map<std::string, std::string> empty;
  for (const auto& [file, dashboard] : Dashboards()) {
    for (const json& panel : Panels(dashboard)) {
      for (const json& target : panel["targets"]) {
        const std::string name = absl::StrCat(file, ": ", panel["title"].get<std::string>(), " ",
                                              target["refId"].get<std::string>());
        empty[name] = Expression(target);
      }
    }
  }
  // Rates need two scrapes.
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!empty.empty() && absl::Now() < deadline && !HasFailure()) {
    for (auto it = empty.begin(); it != empty.end();) {
      const std::string samples = watched.Query(it->second);
      const bool has_data = absl::StrContains(samples, "=>") && !absl::StrContains(samples, "NaN");
      it = has_data ? empty.erase(it) : std::next(it);
    }
    absl::SleepFor(absl::Milliseconds(200));
  }
  for (const auto& [name, expression] : empty) {
    ADD_FAILURE() << name << " stays empty: " << expression;
  }

  // Every rule was evaluated by now, and none failed.
  const testing::Outcome rules = RunTool({"curl", "-sf", watched.prometheus() + "/api/v1/rules"});
  const json groups = json::parse(rules.output)["data"]["groups"];
  EXPECT_THAT(groups, SizeIs(3));
  const std::string page = watched.collector().Get("/metrics");
  for (const json& group : groups) {
    for (const json& rule : group["rules"]) {
      EXPECT_EQ(rule["health"], "ok") << rule["name"] << ": " << rule["lastError"];
      for (const std::string& metric : MetricsIn(rule["query"])) {
        EXPECT_THAT(page, HasSubstr("\n" + metric)) << rule["name"] << " reads what is not there";
      }
    }
  }
  for (const char* const alert :
       {"CardDataLeaving", "SensitiveAuthenticationDataLeaving", "UnapprovedScriptOnPaymentPage"}) {
    EXPECT_THAT(
        watched.Query(absl::StrCat("ALERTS{alertname=\"", alert, "\",alertstate=\"firing\"}")),
        Not(IsEmpty()))
        << alert << " does not fire";
  }
  EXPECT_THAT(watched.Query("ALERTS{alertname=~\"CollectorDown|StoreFailing|FindingsDropped\"}"),
              IsEmpty());

  const testing::TempFolder folder;
  std::ofstream(folder.File("metrics")) << page.substr(page.find("\r\n\r\n") + 4);
  const testing::Outcome check =
      RunTool({"sh", "-c", "promtool check metrics < " + folder.File("metrics")});
  EXPECT_EQ(check.exit_code, 0) << check.output;
  EXPECT_EQ(check.output, "");
}

}  // namespace
}  // namespace skimwatch
