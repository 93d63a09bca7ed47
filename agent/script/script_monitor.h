#ifndef SKIMWATCH_AGENT_SCRIPT_SCRIPT_MONITOR_H_
#define SKIMWATCH_AGENT_SCRIPT_SCRIPT_MONITOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/script/script_sink.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// Watches web roots: every script file and every inline script of a page is hashed, compared with
// the version seen last and with the versions the collector approves, and each difference goes to
// the sink with the facts and the diff that a person needs to judge it (PCI DSS 4.0.1, 6.4.3 and
// 11.6.1).
//
// The first look at a root proposes what it finds as a baseline (CHANGE_PROPOSED); nothing is
// approved by itself. After that a new name is CHANGE_ADDED, other bytes CHANGE_CHANGED unless
// these are approved or were there before as approved (CHANGE_RESTORED), a missing one
// CHANGE_REMOVED. What changed while the agent was not running is found at the start, since the
// versions seen last are kept in the state directory.
//
// Owns one thread a root, which inotify wakes; a queue that overflowed leads to a full look, as
// does `rescan_interval_seconds`. Memory is bounded by the largest file that is analysed.
class ScriptMonitor {
 public:
  struct Options {
    // With `site` set in each.
    std::vector<config::v1::WebRoot> roots;
    // Folder for versions and their contents; it must exist.
    std::string state_directory;
    // After the last notification about a file, how long to wait for more, so that a file is read
    // when it is whole.
    absl::Duration settle = absl::Milliseconds(100);
  };

  struct Stats {
    // Gauges.
    uint64_t files = 0;
    uint64_t scripts = 0;
    uint64_t unapproved_scripts = 0;
    uint64_t bytes_read = 0;
    uint64_t rescans = 0;
    // Times that the kernel's queue of notifications overflowed; each leads to a rescan.
    uint64_t overflows = 0;
    // Files over `file_bytes_max`, which were hashed and not analysed.
    uint64_t files_too_large = 0;
    // Files and folders that could not be read or watched; `last_error` names one.
    uint64_t errors = 0;
    std::string last_error;
  };

  // Errors name the root or the state file. `sink` must outlive the monitor.
  static absl::StatusOr<std::unique_ptr<ScriptMonitor>> Open(Options options, ScriptSink& sink);
  // Stops.
  virtual ~ScriptMonitor() = default;

  // Replaces what the collector approves. Takes effect at once: a script whose current bytes became
  // approved is not reported again. Thread-safe.
  virtual void SetApproved(
      const google::protobuf::RepeatedPtrField<v1::ApprovedScript>& approved) = 0;

  virtual void Start() = 0;
  // Idempotent.
  virtual void Stop() = 0;

  // Thread-safe.
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SCRIPT_MONITOR_H_
