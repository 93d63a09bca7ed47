#ifndef SKIMWATCH_AGENT_PIPELINE_PROCESS_USAGE_H_
#define SKIMWATCH_AGENT_PIPELINE_PROCESS_USAGE_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace skimwatch::pipeline {

// What this process uses of its host.
struct ProcessUsage {
  uint64_t resident_bytes = 0;
  // User and system time since the start.
  double cpu_seconds = 0;
  uint64_t open_files = 0;
  // Seconds since the Unix epoch.
  double started_at = 0;
};

// What a budget is held by; cheap enough to be read every second.
struct ProcessLoad {
  // Of all threads, user and system.
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
};

// UNAVAILABLE where /proc is not mounted.
absl::StatusOr<ProcessLoad> ReadProcessLoad();

// Reads /proc/self. UNAVAILABLE where that is not mounted.
absl::StatusOr<ProcessUsage> ReadProcessUsage();

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_PROCESS_USAGE_H_
