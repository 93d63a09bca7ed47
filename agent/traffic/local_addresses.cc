#include "agent/traffic/local_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <memory>
#include <utility>

#include "absl/time/clock.h"

namespace skimwatch::traffic {
namespace {

constexpr absl::Duration kReadAgainAfter = absl::Seconds(10);

std::vector<IpAddress> ReadFromKernel() {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* it = list; it != nullptr; it = it->ifa_next) {
    if (it->ifa_addr == nullptr) continue;
    if (it->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(it->ifa_addr);
      addresses.push_back(IpAddress::V4(reinterpret_cast<const uint8_t*>(&in->sin_addr)));
    } else if (it->ifa_addr->sa_family == AF_INET6) {
      const auto* in6 = reinterpret_cast<const sockaddr_in6*>(it->ifa_addr);
      addresses.push_back(IpAddress::V6(reinterpret_cast<const uint8_t*>(&in6->sin6_addr)));
    }
  }
  freeifaddrs(list);
  return addresses;
}

}  // namespace

LocalAddresses::LocalAddresses() : LocalAddresses(ReadFromKernel) {}

LocalAddresses::LocalAddresses(Reader reader) : reader_(std::move(reader)) {}

bool LocalAddresses::Contains(const IpAddress& ip) const {
  if (ip.is_loopback()) return true;
  absl::MutexLock lock(&mutex_);
  if (known_.contains(ip)) return true;
  const absl::Time now = absl::Now();
  if (now - read_at_ < kReadAgainAfter && now >= read_at_) return false;
  read_at_ = now;
  known_.clear();
  for (const IpAddress& address : reader_()) known_.insert(address);
  return known_.contains(ip);
}

}  // namespace skimwatch::traffic
