#ifndef SKIMWATCH_AGENT_UPLINK_UPLINK_H_
#define SKIMWATCH_AGENT_UPLINK_UPLINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/ingest_service.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::uplink {

class FileSystem;
class Transport;

// Moves findings to the collector: each is appended to the disk spool before Append returns, then
// streamed, and forgotten only when the collector says that it is stored.
//
// Owns the spool, the gRPC channel and one thread. Thread-safe. Never blocks on the network: while
// the collector is away, findings wait in the spool; when that is full, the least severe go first,
// and are counted.
//
//   auto uplink = Uplink::Open(options);
//   (*uplink)->Start();
//   (*uplink)->Append(finding);
//   (*uplink)->Stop(absl::Seconds(5));
class Uplink {
 public:
  struct Options {
    config::v1::Collector collector;
    config::v1::Spool spool;
    // Folder for the last policy, mode 0700; it must exist.
    std::string state_directory;
    std::string version;
    std::vector<std::string> sites;
    std::vector<std::string> capabilities;
    // Called for the figures of each heartbeat, on the uplink's thread. The spool's part, the time
    // and the policy's version are filled in by the uplink.
    std::function<v1::Heartbeat()> heartbeat;
    // Called with the kept policy during Open, where there is one, and with each new one on the
    // uplink's thread.
    std::function<void(const v1::Policy&)> on_policy;

    // What tests put in the place of the host's disk, network and dice; the host's when not set.
    FileSystem* files = nullptr;
    Transport* transport = nullptr;
    std::function<uint64_t()> random;
    // In place of `collector.rebalance_minutes`, which are long for a test.
    std::optional<absl::Duration> rebalance;
  };

  struct State {
    // The collector has welcomed the stream.
    bool connected = false;
    // Streams that were welcomed, and attempts that were not.
    uint64_t connections = 0;
    uint64_t connection_failures = 0;
    // Given to Append, and of these: durable in the spool.
    uint64_t received_findings = 0;
    uint64_t appended_findings = 0;
    // Had to be mended before they could be kept (see validation::MendFinding), and could not be.
    uint64_t mended_findings = 0;
    uint64_t invalid_findings = 0;
    // Put on a stream, those sent again included.
    uint64_t sent_findings = 0;
    // Stored by the collector, as far as this process sent them.
    uint64_t acknowledged_findings = 0;
    // Waiting in the spool.
    uint64_t pending_findings = 0;
    v1::SpoolState spool;
    uint64_t evicted_segments = 0;
    uint64_t torn_tails = 0;
    uint64_t spool_write_errors = 0;
    // The last thing that went wrong between this agent and its collector or its spool; empty when
    // nothing ever did. Says what to do where that is known.
    std::string last_error;
    absl::Time last_error_at = absl::InfinitePast();
    absl::Time connected_since = absl::InfinitePast();
    absl::Time last_acknowledged_at = absl::InfinitePast();
    std::string collector_version;
    uint64_t policy_version = 0;
  };

  // Opens the spool, recovering it where the last run ended badly. Errors name the file or the
  // field of the configuration. Certificates are not looked at here: a bad one keeps findings in
  // the spool until it is replaced, and State says so.
  static absl::StatusOr<std::unique_ptr<Uplink>> Open(Options options);
  virtual ~Uplink() = default;

  // Starts streaming.
  virtual void Start() = 0;

  // Appends `findings` durably, as one write. Sequences are set here.
  // RESOURCE_EXHAUSTED: no room, and nothing less severe to give up; the loss is counted.
  // INVALID_ARGUMENT: a finding without a kind or a site; it is counted, the others are kept.
  virtual absl::Status Append(std::vector<v1::Finding> findings) = 0;

  virtual State GetState() const = 0;

  // Waits up to `timeout` for everything appended to be acknowledged, then closes. What is not
  // acknowledged stays in the spool for the next run.
  virtual void Stop(absl::Duration timeout) = 0;
};

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_UPLINK_H_
