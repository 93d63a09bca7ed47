#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_COLLECTOR_PROCESS_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_COLLECTOR_PROCESS_H_

#include <sys/types.h>

#include <string>

#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::testing {

// A collector's configuration for a test, with every default filled in: plaintext on free ports of
// loopback, the store in `folder`, and `local` as operator and agent.
config::v1::CollectorConfig TestConfig(const std::string& folder);

// The real program, in a process of its own, with its log in `folder`. Killed when destroyed.
class CollectorProcess {
 public:
  CollectorProcess(const config::v1::CollectorConfig& config, std::string folder);
  ~CollectorProcess();
  CollectorProcess(const CollectorProcess&) = delete;
  CollectorProcess& operator=(const CollectorProcess&) = delete;

  // Starts it and waits until it listens. Once more after it ended, on the port it had.
  void Start();
  // Sends a signal and waits for the end; returns waitpid's status.
  int Stop(int signal);
  int port() const { return port_; }
  int metrics_port() const { return metrics_port_; }
  // A GET of a path of the metrics endpoint: status line, headers and body.
  std::string Get(const std::string& path) const;

 private:
  config::v1::CollectorConfig config_;
  const std::string folder_;
  pid_t pid_ = 0;
  int port_ = 0;
  int metrics_port_ = 0;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_COLLECTOR_PROCESS_H_
