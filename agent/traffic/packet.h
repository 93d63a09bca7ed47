#ifndef SKIMWATCH_AGENT_TRAFFIC_PACKET_H_
#define SKIMWATCH_AGENT_TRAFFIC_PACKET_H_

#include <cstdint>
#include <string_view>

#include "absl/time/time.h"

namespace skimwatch::traffic {

// What a packet begins with (LINKTYPE_ numbers of tcpdump.org in brackets).
enum class LinkType : uint8_t {
  kEthernet,      // 1
  kRawIp,         // 101, 12, 14, 228, 229
  kLinuxCooked,   // 113, "SLL"
  kLinuxCooked2,  // 276, "SLL2"
  kNull,          // 0, address family in the byte order of the capturing host
  kLoop,          // 108, the same in network byte order
};

// One captured packet; valid during the call that it is passed to.
struct PacketView {
  LinkType link = LinkType::kEthernet;
  std::string_view bytes;
  // Length on the wire, at least bytes.size(); more where the capture cut the packet.
  uint32_t wire_bytes = 0;
  absl::Time time;
};

// Takes packets from a source, on the thread of the source.
class PacketHandler {
 public:
  virtual ~PacketHandler() = default;
  virtual void OnPacket(const PacketView& packet) = 0;
  // No packet came for a while and the clock of the source stands at `now`: what waits on time may
  // go on. Live sources only.
  virtual void OnIdle(absl::Time now) = 0;
  // The source has ended: everything that is open is closed.
  virtual void Flush() = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PACKET_H_
