#include "agent/traffic/source/network_interface.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::traffic {

std::optional<LinkType> LinkTypeOfHardware(uint16_t hardware_type) {
  switch (hardware_type) {
    case ARPHRD_ETHER:
    // Loopback has an Ethernet header with addresses of zeros.
    case ARPHRD_LOOPBACK:
      return LinkType::kEthernet;
    // Tun, WireGuard.
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
      return LinkType::kRawIp;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<std::unique_ptr<NetworkInterface>> NetworkInterface::Open(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find('\0') != std::string::npos) {
    return absl::NotFoundError(
        absl::StrCat("interface `", name, "`: no interface has such a name"));
  }
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("interface ", name, ": socket"));
  return std::unique_ptr<NetworkInterface>(new NetworkInterface(fd, name));
}

NetworkInterface::NetworkInterface(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

NetworkInterface::~NetworkInterface() { close(fd_); }

NetworkInterface::State NetworkInterface::Look() const {
  State state;
  ifreq request{};
  std::memcpy(request.ifr_name, name_.data(), name_.size());
  if (ioctl(fd_, SIOCGIFINDEX, &request) != 0) return state;
  const int index = request.ifr_ifindex;
  if (ioctl(fd_, SIOCGIFHWADDR, &request) != 0) return state;
  state.hardware_type = request.ifr_hwaddr.sa_family;
  if (ioctl(fd_, SIOCGIFFLAGS, &request) != 0) return state;
  state.up = (request.ifr_flags & IFF_UP) != 0;
  state.loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
  state.index = index;
  return state;
}

}  // namespace skimwatch::traffic
