#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_PACKET_FILTER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_PACKET_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/traffic/packet.h"

namespace skimwatch::traffic {

// A program of the kernel's classic BPF.
using PacketFilter = std::vector<sock_filter>;

// Takes `snapshot_bytes` of each packet that `expression`, in libpcap's language, matches; an empty
// one matches all. `link` is kEthernet or kRawIp.
//
// INVALID_ARGUMENT with libpcap's complaint. Also for `vlan`: the kernel takes tags off before the
// filter sees a frame, so it would match nothing, and without it tagged frames match as they are
// meant to.
absl::StatusOr<PacketFilter> CompilePacketFilter(const std::string& expression, LinkType link,
                                                 uint32_t snapshot_bytes);

// Takes nothing.
PacketFilter DropAllFilter();

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_PACKET_FILTER_H_
