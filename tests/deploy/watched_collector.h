#ifndef SKIMWATCH_TESTS_DEPLOY_WATCHED_COLLECTOR_H_
#define SKIMWATCH_TESTS_DEPLOY_WATCHED_COLLECTOR_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/temp_store.h"
#include "tests/collector/support/test_ca.h"
#include "tests/deploy/program.h"

namespace skimwatch::testing {

// The real collector with mutual TLS, an agent that streams findings of several kinds and
// heartbeats to it, and a real Prometheus that scrapes it every second by
// deploy/prometheus/prometheus.yml.
class WatchedCollector {
 public:
  WatchedCollector();
  ~WatchedCollector();

  const CollectorProcess& collector() const { return *collector_; }
  // `http://127.0.0.1:port`.
  std::string prometheus() const;
  // The lines that `promtool query instant` prints for an expression: one a sample, none without
  // data. The test fails where Prometheus refuses the expression.
  std::string Query(const std::string& expression) const;

 private:
  void Stream();
  void StartPrometheus();

  TempFolder folder_;
  TestCa authority_;
  std::unique_ptr<CollectorProcess> collector_;
  std::unique_ptr<BackgroundProgram> prometheus_;
  int prometheus_port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread agent_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_DEPLOY_WATCHED_COLLECTOR_H_
