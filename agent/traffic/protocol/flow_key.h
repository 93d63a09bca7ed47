#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_KEY_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_KEY_H_

#include <cstdint>
#include <utility>

#include "agent/traffic/ip_address.h"

namespace skimwatch::traffic {

// The two endpoints of a TCP flow, the lesser first, so that both directions have one key.
struct FlowKey {
  Endpoint low;
  Endpoint high;

  FlowKey() = default;
  FlowKey(const Endpoint& a, const Endpoint& b) : low(a < b ? a : b), high(a < b ? b : a) {}

  friend bool operator==(const FlowKey&, const FlowKey&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const FlowKey& key) {
    return H::combine(std::move(h), key.low, key.high);
  }
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_KEY_H_
