#ifndef SKIMWATCH_AGENT_RIGHTS_H_
#define SKIMWATCH_AGENT_RIGHTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// The capabilities (capabilities(7)) that the sources of `config` need while they run, as a set of
// bits. What they need to start (CAP_NET_RAW for captures, CAP_NET_BIND_SERVICE for listeners below
// port 1024) is not among them. docs/privileges.md has the table.
uint64_t LastingCapabilities(const config::v1::AgentConfig& config);

// Gives up every capability that is not in `keep`, for good and on every thread of the process, and
// the possibility to gain any by executing a file. None is gained. An error when some thread still
// has one after a second.
//
// The kernel keeps capabilities by thread, so every thread is asked by a signal to give up its own
// (SIGRTMAX - 2 is used for that, and blocked by none of the agent's threads).
absl::Status KeepCapabilities(uint64_t keep);

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_RIGHTS_H_
