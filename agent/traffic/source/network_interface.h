#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_NETWORK_INTERFACE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_NETWORK_INTERFACE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/traffic/packet.h"

namespace skimwatch::traffic {

// What packets of an interface begin with, by its hardware type (ARPHRD_ of if_arp.h). Nothing for
// what a capture does not understand.
std::optional<LinkType> LinkTypeOfHardware(uint16_t hardware_type);

// One network interface, looked up by its name, again and again. Thread-compatible.
class NetworkInterface {
 public:
  struct State {
    // 0 when there is none of that name.
    int index = 0;
    bool up = false;
    bool loopback = false;
    uint16_t hardware_type = 0;

    bool operator==(const State&) const = default;
  };

  // In the network namespace of the calling thread. An error only when the system has no sockets
  // left, or the name is too long.
  static absl::StatusOr<std::unique_ptr<NetworkInterface>> Open(const std::string& name);
  ~NetworkInterface();
  NetworkInterface(const NetworkInterface&) = delete;
  NetworkInterface& operator=(const NetworkInterface&) = delete;

  State Look() const;

 private:
  NetworkInterface(int fd, std::string name);

  const int fd_;
  const std::string name_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_NETWORK_INTERFACE_H_
