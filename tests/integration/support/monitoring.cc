#include "tests/integration/support/monitoring.h"

#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

using testing::BackgroundProgram;
using testing::ReadFile;
using testing::RunTool;

const std::string kSource = SKIMWATCH_SOURCE_DIR;

// What waits minutes at an operator's waits seconds here; what alerts, and when, is the same.
constexpr char kMixin[] =
    "(import 'mixin.libsonnet') { config+:: {\n"
    "  exposureSuspectedFor: '0s', scriptChangedFor: '0s', newDestinationFor: '0s',\n"
    "  sampleRatioFor: '0s', agentSilentSeconds: 15, agentSilentFor: '0s', coverageWindow: '15s',\n"
    "  coverageFor: '0s', spoolFillingFor: '0s', storeFailingFor: '0s',\n"
    "  certificateExpiringFor: '0s', collectorDownFor: '0s', pageNotLookedAtFor: '0s',\n"
    "} }\n";

// The alerts that fire, of what Prometheus answers; an empty list where it does not.
nlohmann::json FiringAlerts(int port) {
  const std::string answer = testing::HttpGet(port, "/api/v1/alerts");
  const size_t body = answer.find("\r\n\r\n");
  nlohmann::json firing = nlohmann::json::array();
  if (body == std::string::npos) return firing;
  const nlohmann::json parsed = nlohmann::json::parse(answer.substr(body + 4), nullptr, false);
  if (parsed.is_discarded() || !parsed.contains("data")) return firing;
  for (const nlohmann::json& alert : parsed["data"]["alerts"]) {
    if (alert["state"] == "firing") firing.push_back(alert);
  }
  return firing;
}

std::string Local(int port) { return absl::StrCat("127.0.0.1:", port); }

}  // namespace

Monitoring::Monitoring(int collector_metrics_port)
    : collector_metrics_port_(collector_metrics_port),
      prometheus_port_(testing::FreePort()),
      alertmanager_port_(testing::FreePort()),
      webhook_port_(testing::FreePort()) {}

void Monitoring::WriteConfigurations() {
  std::ofstream(folder_.File("mixin.jsonnet")) << kMixin;
  const testing::Outcome rules = RunTool({kSource + "/deploy/mixin/generate.sh", "--mixin",
                                          folder_.File("mixin.jsonnet"), "--into", folder_.path()});
  ASSERT_EQ(rules.exit_code, 0) << rules.output;
  std::ofstream(folder_.File("prometheus.yml")) << absl::StrReplaceAll(
      ReadFile(kSource + "/deploy/prometheus/prometheus.yml"),
      {{"127.0.0.1:9464", Local(collector_metrics_port_)},
       {"interval: 15s", "interval: 1s"},
       {"- alerts.yml", absl::StrCat("- ", folder_.path(), "/prometheus/alerts.yml")},
       {"- recording.yml", absl::StrCat("- ", folder_.path(), "/prometheus/recording.yml")},
       {"# alerting:\n#   alertmanagers:\n#     - static_configs:\n#         - targets: "
        "[127.0.0.1:9093]\n",
        absl::StrCat("alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [",
                     Local(alertmanager_port_), "]\n")}});
  std::ofstream(folder_.File("alertmanager.yml"))
      << "route: { receiver: webhook, group_by: ['...'], group_wait: 0s, group_interval: 1s }\n"
      << "receivers: [{ name: webhook, webhook_configs: [{ url: 'http://" << Local(webhook_port_)
      << "/' }] }]\n";
}

bool Monitoring::Answers(int port, const std::string& path) const {
  return testing::HttpGet(port, path).find(" 200 ") != std::string::npos;
}

void Monitoring::Start() {
  ASSERT_NO_FATAL_FAILURE(WriteConfigurations());
  webhook_ = std::make_unique<BackgroundProgram>(
      std::vector<std::string>{"python3", kSource + "/tests/integration/support/webhook.py",
                               absl::StrCat(webhook_port_)},
      folder_.File("webhook.log"));
  alertmanager_ = std::make_unique<BackgroundProgram>(
      std::vector<std::string>{"prometheus-alertmanager",
                               "--config.file=" + folder_.File("alertmanager.yml"),
                               "--storage.path=" + folder_.File("alertmanager"),
                               "--web.listen-address=" + Local(alertmanager_port_),
                               "--cluster.listen-address=", "--log.level=warn"},
      folder_.File("alertmanager.log"));
  prometheus_ = std::make_unique<BackgroundProgram>(
      std::vector<std::string>{"prometheus", "--config.file=" + folder_.File("prometheus.yml"),
                               "--storage.tsdb.path=" + folder_.File("tsdb"),
                               "--web.listen-address=" + Local(prometheus_port_),
                               "--log.level=warn"},
      folder_.File("prometheus.log"));
  ASSERT_TRUE(testing::WaitUntil([this] {
    return Answers(webhook_port_, "/") && Answers(alertmanager_port_, "/-/ready") &&
           Answers(prometheus_port_, "/-/ready");
  })) << Log();
}

absl::Duration Monitoring::AwaitAlert(const std::string& name, absl::Time since,
                                      absl::Duration patience) const {
  absl::Duration after = absl::InfiniteDuration();
  testing::WaitUntil(
      [&] {
        std::istringstream lines(webhook_->Log());
        double seconds = 0;
        for (std::string alert, status; lines >> seconds >> alert >> status;) {
          const absl::Time told = absl::FromUnixMillis(static_cast<int64_t>(seconds * 1000));
          if (alert != name || status != "firing" || told < since) continue;
          after = told - since;
          return true;
        }
        return false;
      },
      patience);
  return after;
}

std::optional<absl::Time> Monitoring::FiringSince(const std::string& name,
                                                  const std::string& site) const {
  for (const nlohmann::json& alert : FiringAlerts(prometheus_port_)) {
    const nlohmann::json& labels = alert["labels"];
    if (labels.value("alertname", "") != name || labels.value("site", "") != site) continue;
    absl::Time since;
    if (absl::ParseTime(absl::RFC3339_full, alert.value("activeAt", ""), &since, nullptr)) {
      return since;
    }
  }
  return std::nullopt;
}

std::vector<std::string> Monitoring::Firing() const {
  std::vector<std::string> firing;
  for (const nlohmann::json& alert : FiringAlerts(prometheus_port_)) {
    const nlohmann::json& labels = alert["labels"];
    firing.push_back(
        absl::StrCat(labels.value("alertname", ""), " of ", labels.value("site", "nothing")));
  }
  return firing;
}

std::string Monitoring::Log() const {
  return absl::StrCat(webhook_->Log(), alertmanager_->Log(), prometheus_->Log());
}

}  // namespace skimwatch::integration
