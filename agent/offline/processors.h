#ifndef SKIMWATCH_AGENT_OFFLINE_PROCESSORS_H_
#define SKIMWATCH_AGENT_OFFLINE_PROCESSORS_H_

#include <cstdint>
#include <string>

namespace skimwatch::offline {

// How many processors this process may keep busy: those that it may run on, sched_setaffinity(2),
// and no more than the quota of its control group and those above, rounded up; at least 1.
uint32_t AvailableProcessors();

// The quota of a control group and those above it, in processors, rounded up; 0 for none. `proc`
// is the content of /proc/self/cgroup, `root` where control groups are mounted. Version 2
// (`cpu.max`) and version 1 (`cpu.cfs_quota_us` below `cpu` or `cpu,cpuacct`).
uint32_t ControlGroupProcessors(const std::string& proc, const std::string& root);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_PROCESSORS_H_
