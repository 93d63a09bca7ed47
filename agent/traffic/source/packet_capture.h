#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_PACKET_CAPTURE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_PACKET_CAPTURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/traffic/packet.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// Live packets of one interface by AF_PACKET: a TPACKET_V3 ring a thread, a filter that runs in the
// kernel, and flows spread over the threads by PACKET_FANOUT. Only looks: packets are never held
// up or altered, and when the reader is slow the kernel drops from the ring, which is counted.
//
// On loopback each packet is seen once, not as sent and as received. A VLAN tag, which the kernel
// takes off before the filter sees a frame, is put back into what handlers get: `tcp` matches
// tagged frames too.
//
// Goes on when the interface goes down and comes up, also when another takes its name. Then one
// thread captures where there were several: a fanout can't be made anew without CAP_NET_RAW.
//
// Owns its sockets, rings and threads. Needs CAP_NET_RAW at Open only.
//
//   auto capture = PacketCapture::Open(options, [&](uint32_t thread) {
//     return std::make_unique<TrafficDecoder>(...);
//   });
//   (*capture)->Start();
//   ...
//   (*capture)->Stop();  // flushes and destroys the handlers
class PacketCapture {
 public:
  struct Options {
    std::string interface;
    // In libpcap's language.
    std::string filter = "tcp or udp";
    uint32_t threads = 1;
    uint32_t ring_mib = 16;
    // Taken of each packet, from the network header on; the link header comes on top, so that the
    // default takes whole IPv4 packets, also those that the kernel merged.
    uint32_t snapshot_bytes = 65535;

    // Unset fields take the defaults above.
    static Options FromConfig(const config::v1::PacketCapture& config);
  };

  struct Stats {
    uint64_t packets = 0;
    // Packets that the kernel had no room for in a ring.
    uint64_t kernel_drops = 0;
    // How often a ring was found full.
    uint64_t ring_freezes = 0;
    // False after the interface went away; capturing goes on when it is back.
    bool interface_up = true;
  };

  // Makes the handler of thread number `thread`, from 0. Called by Open.
  using HandlerFactory = std::function<std::unique_ptr<PacketHandler>(uint32_t thread)>;

  // PERMISSION_DENIED without CAP_NET_RAW, NOT_FOUND for an unknown interface, INVALID_ARGUMENT for
  // a filter that does not compile, options out of range or an interface that is neither Ethernet,
  // loopback nor raw IP; each names the interface. One that is down is awaited.
  static absl::StatusOr<std::unique_ptr<PacketCapture>> Open(const Options& options,
                                                             const HandlerFactory& make_handler);
  // Stops.
  virtual ~PacketCapture() = default;

  // Packets that arrived since Open are delivered first.
  virtual void Start() = 0;
  // Delivers what is in the rings, flushes the handlers and ends the threads. Idempotent.
  virtual void Stop() = 0;

  // Thread-safe.
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_PACKET_CAPTURE_H_
