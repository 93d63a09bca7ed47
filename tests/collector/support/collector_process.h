#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_COLLECTOR_PROCESS_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_COLLECTOR_PROCESS_H_

#include <string>

#include "skimwatch/config/v1/collector.pb.h"
#include "tests/support/daemon.h"

namespace skimwatch::testing {

// A collector's configuration for a test, with every default filled in: plaintext on free ports of
// loopback, the store in `folder`, and `local` as operator and agent.
config::v1::CollectorConfig TestConfig(const std::string& folder);

// The real program, in a process of its own, with its log in `folder`. Killed when destroyed.
class CollectorProcess {
 public:
  CollectorProcess(const config::v1::CollectorConfig& config, std::string folder);

  // Starts it and waits until it listens. Once more after it ended, on the port it had.
  void Start();
  // Sends a signal and waits for the end; returns waitpid's status.
  int Stop(int signal) { return daemon_.Stop(signal); }
  int port() const { return port_; }
  pid_t pid() const { return daemon_.pid(); }
  // Everything that it logged, over all its runs.
  std::string Log() const { return daemon_.Log(); }
  int metrics_port() const { return daemon_.port("metrics"); }
  // 0 when it has no console.
  int console_port() const { return daemon_.port("console"); }
  // A GET of a path of the metrics endpoint: status line, headers and body.
  std::string Get(const std::string& path) const { return HttpGet(metrics_port(), path); }

 private:
  config::v1::CollectorConfig config_;
  Daemon daemon_;
  int port_ = 0;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_COLLECTOR_PROCESS_H_
