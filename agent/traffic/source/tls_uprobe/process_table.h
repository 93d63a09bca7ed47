#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROCESS_TABLE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROCESS_TABLE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "agent/traffic/message.h"

namespace skimwatch::traffic {

// The container id in a process' cgroup path, as Docker, containerd, CRI-O and Podman write it: 64
// hexadecimal digits. The innermost one; empty where there is none.
std::string ContainerIdOf(std::string_view cgroup_path);

// When a process began, in clock ticks since boot, from what /proc/PID/stat says (proc(5), field
// 22). The name in it may hold anything.
std::optional<uint64_t> StartTicksOf(std::string_view stat);

// What is known of processes, looked up in /proc once for each. A process is named by its id and
// its start, so that an id that is used again never yields another one's name.
//
// Note looks it up early, when it is seen to load a TLS library: by the time that its bytes come it
// may be gone. Thread-safe. Memory is bounded: the process asked for longest ago is forgotten.
class ProcessTable {
 public:
  struct Stats {
    // Gauge.
    uint64_t processes = 0;
    // Processes that were gone before they could be looked up.
    uint64_t gone = 0;
  };

  explicit ProcessTable(std::string proc = "/proc", size_t processes_max = 8192)
      : proc_(std::move(proc)), processes_max_(processes_max) {}

  void Note(pid_t pid);
  // The process with that id which began `start_ns` after boot. Where it is gone and was not noted,
  // only `pid` and `command` are known.
  std::shared_ptr<const Process> Find(pid_t pid, uint64_t start_ns, std::string_view command);
  // The process that has that id at this moment, read anew; null when there is none.
  std::shared_ptr<const Process> Look(pid_t pid) const;
  // Whether the process with that id which began then still runs.
  bool Runs(pid_t pid, uint64_t start_ns) const;

  Stats GetStats() const;

 private:
  struct Entry {
    pid_t pid = 0;
    uint64_t start_ticks = 0;
    std::shared_ptr<const Process> process;
  };

  std::optional<uint64_t> ReadStart(pid_t pid) const;
  // Nothing when it is gone, or another one took its id meanwhile.
  std::optional<Entry> Read(pid_t pid) const;
  const Entry& Add(Entry entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string proc_;
  const size_t processes_max_;
  mutable absl::Mutex mutex_;
  // The one asked for longest ago first.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<pid_t, std::list<Entry>::iterator> by_pid_ ABSL_GUARDED_BY(mutex_);
  uint64_t gone_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROCESS_TABLE_H_
