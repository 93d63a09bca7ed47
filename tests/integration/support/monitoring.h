#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_MONITORING_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_MONITORING_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/deploy/program.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {

// A real Prometheus that scrapes one collector every second, by deploy/prometheus/prometheus.yml
// and rules that deploy/mixin makes with waits of seconds; a real Alertmanager behind it; and a
// webhook that Alertmanager tells.
class Monitoring {
 public:
  // Of the collector's metrics endpoint.
  explicit Monitoring(int collector_metrics_port);

  // Waits until all three answer; a fatal failure with a log where one does not.
  void Start();

  // Waits until the webhook is told at or after `since` of an alert of that name; how long after
  // `since` that was, InfiniteDuration where it was not within `patience`. What was told before has
  // another cause.
  absl::Duration AwaitAlert(const std::string& name, absl::Time since,
                            absl::Duration patience = absl::Seconds(40)) const;
  // Since when the alert of that name and site fires at Prometheus: the evaluation that saw it
  // first. Nothing when it does not.
  std::optional<absl::Time> FiringSince(const std::string& name, const std::string& site) const;
  // Alerts that fire, `NAME of SITE` each, in no order.
  std::vector<std::string> Firing() const;
  // What the webhook was told, and what the programs logged.
  std::string Log() const;

 private:
  void WriteConfigurations();
  bool Answers(int port, const std::string& path) const;

  testing::TempFolder folder_;
  const int collector_metrics_port_;
  const int prometheus_port_;
  const int alertmanager_port_;
  const int webhook_port_;
  std::unique_ptr<testing::BackgroundProgram> webhook_;
  std::unique_ptr<testing::BackgroundProgram> alertmanager_;
  std::unique_ptr<testing::BackgroundProgram> prometheus_;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_MONITORING_H_
