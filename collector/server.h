#ifndef SKIMWATCH_COLLECTOR_SERVER_H_
#define SKIMWATCH_COLLECTOR_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::collector {

// The collector as one piece: store, ingest, operators' services, web console, health service,
// metrics endpoint and housekeeping, put together from a checked configuration
// (config::LoadCollectorConfig).
//
// Start returns when everything listens. Thread-safe.
class Server {
 public:
  struct Options {
    config::v1::CollectorConfig config;
    std::string version;
    std::string revision;
    std::function<absl::Time()> now = absl::Now;
  };

  // Errors name the setting and what to do.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Options options);

  // Stops at once what Drain did not stop.
  virtual ~Server() = default;

  // The port of `listen`; 0 for a Unix socket.
  virtual int port() const = 0;
  // The port of `metrics.listen`; 0 when it is off.
  virtual int metrics_port() const = 0;
  // The port of `console.listen`; 0 when it is off.
  virtual int console_port() const = 0;

  // OK while findings are taken; what /readyz and the health service say.
  virtual absl::Status Ready() const = 0;

  // Says that it is no longer ready, takes no new streams or calls, commits and acknowledges what
  // was received, and ends all streams; returns when that is done or after `timeout`.
  virtual void Drain(absl::Duration timeout) = 0;
};

// Checks what a configuration points at without starting anything: certificates, keys, the folder
// of the store or how to reach its database. For --check-config.
absl::Status CheckEnvironment(const config::v1::CollectorConfig& config);
// What is no error and may yet not be meant, for --check-config.
std::vector<std::string> EnvironmentWarnings(const config::v1::CollectorConfig& config);

}  // namespace skimwatch::collector

#endif  // SKIMWATCH_COLLECTOR_SERVER_H_
