#ifndef SKIMWATCH_AGENT_SCRIPT_SCRIPT_MONITOR_H_
#define SKIMWATCH_AGENT_SCRIPT_SCRIPT_MONITOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/script_sink.h"
#include "agent/script/source/notifier.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// Watches web roots: every script file, and every inline script of a page and reference to a
// script, is hashed, compared with the version seen last and with the versions the collector
// approves, and each difference goes to the sink with the facts and the diff that a person needs to
// judge it (PCI DSS 4.0.1, 6.4.3 and 11.6.1). docs/scripts.md tells operators the same at length.
//
// The first look at a root proposes what it finds as a baseline (CHANGE_PROPOSED); nothing is
// approved by itself. After that a new name is CHANGE_ADDED and other bytes are CHANGE_CHANGED,
// unless the collector approves the bytes under that name (CHANGE_RESTORED); a missing one is
// CHANGE_REMOVED. What changed while the agent was not running is found at the start, since the
// versions seen last are kept in the state directory. The state is saved after the sink took the
// changes: a crash repeats some of them rather than losing one.
//
// A script's name is its path below the root, `#inline-N` behind it for a script inside a page, and
// `#src=`, `#frame=` or `#base=` and an address for what a page has a browser fetch from there. The
// first root of a site in `roots` has such names; names in further roots of that site begin with
// the root's own path, so that equal paths stay apart.
//
// Owns one thread a root, which inotify wakes. Where notifications are lost, or can't be had, a
// full look finds the same, at once or after `rescan_interval_seconds`, and the stats say so.
// Memory is bounded by the largest file that is analysed and the number of files.
class ScriptMonitor {
 public:
  struct Options {
    // With `site` set in each.
    std::vector<config::v1::WebRoot> roots;
    // Folder for versions and their contents; it must exist. One monitor a folder.
    std::string state_directory;
    // Room for contents, as compressed on disk. Beyond it the oldest go, and cost a difference.
    uint64_t versions_bytes_max = uint64_t{256} << 20;
    // See VersionStore.
    absl::Duration versions_burst = absl::Minutes(10);
    // After the last notification about a file, how long to wait for more, so that a file is read
    // when it is whole.
    absl::Duration settle = absl::Milliseconds(100);
    // See RootMonitor.
    size_t whole_state_files_max = 4096;
    // Limits and rules of what judges a change.
    ScriptJudge::Options judge;
    // Where notifications come from; tests put in one that fails.
    std::function<absl::StatusOr<std::unique_ptr<Notifier>>()> make_notifier = MakeInotifyNotifier;
  };

  struct Stats {
    // What is now.
    uint64_t files = 0;
    uint64_t scripts = 0;
    // Scripts whose bytes the collector does not approve, those of a revoked approval too.
    uint64_t unapproved_scripts = 0;
    // Files over `file_bytes_max`, which are hashed and not analysed.
    uint64_t files_too_large = 0;
    // Links to files outside of their root, which are hashed and not analysed.
    uint64_t links_outside = 0;
    // Links to folders, which are not entered: what is below the root is seen where it is, what is
    // not needs a root of its own.
    uint64_t folder_links = 0;
    // Folders without notifications, looked at every `rescan_interval_seconds` only.
    uint64_t folders_unwatched = 0;
    // Files, folders and roots that can't be read or watched; `last_error` names one.
    uint64_t errors = 0;
    std::string last_error;
    // End of the last full look at the root that was looked at longest ago; InfinitePast before
    // each had one. A watcher that stopped shows here.
    absl::Time last_full_look = absl::InfinitePast();
    // The same of looks that read every file, whatever its size and times said.
    absl::Time last_full_read = absl::InfinitePast();
    // Contents kept, in bytes on disk.
    uint64_t versions_bytes = 0;

    // Since the monitor was opened.
    uint64_t changes = 0;
    uint64_t bytes_read = 0;
    // Full looks, and those of them that read every file.
    uint64_t rescans = 0;
    uint64_t full_reads = 0;
    // Times that the kernel's queue of notifications overflowed; each leads to a rescan.
    uint64_t overflows = 0;
    // Times that the source of notifications broke and was made anew.
    uint64_t watcher_restarts = 0;
    // Contents that made room for newer ones, and such that were found damaged.
    uint64_t versions_evicted = 0;
    uint64_t versions_damaged = 0;
    // States that were found damaged and set aside; such a root was proposed anew.
    uint64_t states_set_aside = 0;
    // State or contents that could not be written.
    uint64_t write_errors = 0;
    // Versions that the judge did not parse, for their size or for the time it took, and texts that
    // its rules did not get through in time.
    uint64_t too_large_to_parse = 0;
    uint64_t too_slow_to_parse = 0;
    uint64_t rules_too_slow = 0;
    // Files of rules that do not compile now; `last_error` names one when nothing graver is.
    uint64_t rule_errors = 0;
  };

  // Errors name the root or the state file: NOT_FOUND for a root that is no folder,
  // FAILED_PRECONDITION for a state directory that another monitor holds. `sink` must outlive the
  // monitor.
  static absl::StatusOr<std::unique_ptr<ScriptMonitor>> Open(Options options, ScriptSink& sink);
  // Stops.
  virtual ~ScriptMonitor() = default;

  // Replaces what the collector approves, before the start or at any time. Nothing is reported for
  // it: what is approved and what is not shows in `unapproved_scripts` and in how later changes are
  // called. Thread-safe.
  virtual void SetPolicy(const v1::Policy& policy) = 0;

  virtual void Start() = 0;
  // Idempotent.
  virtual void Stop() = 0;

  // Thread-safe.
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SCRIPT_MONITOR_H_
