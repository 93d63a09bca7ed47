#ifndef SKIMWATCH_AGENT_UPLINK_CONNECTION_HINT_H_
#define SKIMWATCH_AGENT_UPLINK_CONNECTION_HINT_H_

#include <string>

#include "absl/status/status.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::uplink {

// What the end of a stream means, and which setting to look at; empty where the error says it all.
// `own_fault` is what is wrong with this agent's own certificate, which explains a handshake that
// the collector broke off, and nothing else. `was_connected`: the collector had welcomed the agent.
std::string ConnectionHint(const absl::Status& status, const absl::Status& own_fault,
                           const config::v1::Collector& collector, bool was_connected);

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_CONNECTION_HINT_H_
