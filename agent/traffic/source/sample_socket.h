#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_SOCKET_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_SOCKET_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/sample_scan.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// A Unix stream socket that takes samples (proto/skimwatch/v1/sample.proto) in delimited form from
// programs of this host.
//
// Nothing is answered. Connections are read in turns of 64 KiB and what came is scanned at once, so
// that a fast writer does not keep others waiting, and one that is faster than the scan waits in
// its own write(2). Each connection holds one sample at most. A sample that makes no sense is
// counted and left out; what is no sequence of samples ends its connection.
//
// Where `connections_max` are open, a newcomer takes the place of the connection that was silent
// longest of the user who has most of them, unless that is its own: one user can't keep another
// out.
//
// Owns one thread. Thread-safe.
class SampleSocket {
 public:
  struct Options {
    std::string path;
    mode_t mode = 0660;
    std::optional<gid_t> group;
    // Empty: all whom `mode` lets in.
    std::vector<uid_t> allowed_users;
    size_t connections_max = 32;
    size_t sample_bytes_max = 1u << 20;
    // In the middle of a sample.
    absl::Duration stall_max = absl::Seconds(30);
    SampleScan::Options scan;

    // Unset fields take the defaults above; `scan.sites` and limits of flows are left to the
    // caller. INVALID_ARGUMENT names a user or group that this host does not have.
    static absl::StatusOr<Options> FromConfig(const config::v1::SampleSocket& config);
  };

  struct Stats {
    uint64_t connections = 0;
    // Gauge.
    uint64_t connections_open = 0;
    // Turned away: a user who may not send; no room.
    uint64_t refused_user = 0;
    uint64_t refused_full = 0;
    // Ended: what came were no samples; within a sample (the writer went away); silent in the
    // middle of one; to make room for another user.
    uint64_t ended_broken = 0;
    uint64_t ended_within = 0;
    uint64_t ended_stalled = 0;
    uint64_t ended_displaced = 0;
    SampleScan::Stats scan;
    std::string last_error;
  };

  // Listens: whoever connects waits until Start. A stale socket of a run before is replaced.
  // INVALID_ARGUMENT: the path; UNAVAILABLE: it can't be listened on; PERMISSION_DENIED: the group
  // can't be given. `coverage` and `target` must outlive it; `target` is used on one thread.
  static absl::StatusOr<std::unique_ptr<SampleSocket>> Listen(Options options, Coverage& coverage,
                                                              SampleTarget& target);
  // Stops.
  virtual ~SampleSocket() = default;

  // Takes connections from here on. Once.
  virtual void Start() = 0;

  // Takes no more connections, reads what was sent by now, for a second at most, and ends the
  // thread. Idempotent.
  virtual void Stop() = 0;
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_SOCKET_H_
