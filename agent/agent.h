#ifndef SKIMWATCH_AGENT_AGENT_H_
#define SKIMWATCH_AGENT_AGENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// The agent as one piece: sources, decoders, scan, spool and uplink, put together from a checked
// configuration (config::LoadAgentConfig).
//
//   source threads -> TrafficDecoder -> MessageScanner -+
//   TLS probe thread -> ByteFlowDecoder -> MessageScanner -+
//   sample threads ---> ByteFlowDecoder -> MessageScanner -+
//   log and journal threads -----------> MessageScanner -+-> FindingWriter -> Uplink
//   web root threads -> ScriptMonitor -> ScriptReporter -+
//   report endpoints -> BrowserReportReporter -----------+
//   page thread -> PageMonitor -> PageReporter ----------+
//
// Start returns when every source runs. Thread-safe.
class Agent {
 public:
  struct Options {
    config::v1::AgentConfig config;
    std::string version;
    std::string revision;
    // Once everything is open, give up the rights that no source needs any more, for the whole
    // process (rights.h).
    bool drop_rights = false;
  };

  // Errors name the setting and what to do. A capture that lacks its rights, TLS probes that lack
  // theirs or the kernel's support, and a journal that is not there or may not be read are logged,
  // shown in /metrics and /readyz, and left out where there are other sources.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(Options options);

  // Stops at once what Stop did not stop.
  virtual ~Agent() = default;

  // The port of `metrics.listen`; 0 when it is off.
  virtual int metrics_port() const = 0;

  // OK while every source runs and the collector takes findings; what /readyz says.
  virtual absl::Status Ready() const = 0;

  // Ends the sources, makes what they found durable, and waits up to `timeout` for the collector to
  // have it. What it does not get stays in the spool.
  virtual void Stop(absl::Duration timeout) = 0;
};

// Which brand table the configuration means and what it holds, for --check-config:
// `built-in: 112 ranges of 24 brands`. Errors name the file, its line and the field.
absl::StatusOr<std::string> DescribeBrands(const config::v1::AgentConfig& config);

// Checks what a configuration points at without starting anything: certificates, folders, and the
// rights that sources need. For --check-config.
absl::Status CheckEnvironment(const config::v1::AgentConfig& config);
// What is no error and may yet not be meant, such as paths of logs that lead to nothing, for
// --check-config.
std::vector<std::string> EnvironmentWarnings(const config::v1::AgentConfig& config);

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_AGENT_H_
