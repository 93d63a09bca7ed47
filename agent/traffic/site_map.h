#ifndef SKIMWATCH_AGENT_TRAFFIC_SITE_MAP_H_
#define SKIMWATCH_AGENT_TRAFFIC_SITE_MAP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "agent/traffic/ip_address.h"
#include "agent/traffic/local_addresses.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// Which site a service, an address or a host belongs to, from the `sites` of the configuration.
// Immutable and thread-safe; shared by all decoders.
//
//   auto sites = SiteMap::Create(config.sites(), std::make_shared<LocalAddresses>());
//   const std::string* site = (*sites)->SiteOfHost("www.shop.example");
class SiteMap {
 public:
  using Sites = google::protobuf::RepeatedPtrField<config::v1::Site>;

  // `local` tells which addresses a service without address (`:443`) stands for; null means every
  // address, for capture files of other hosts.
  // INVALID_ARGUMENT names the site and the service or host that can't be read, and a service that
  // two sites claim.
  static absl::StatusOr<std::shared_ptr<const SiteMap>> Create(
      const Sites& sites, std::shared_ptr<const LocalAddresses> local);

  // The site whose server listens at `server`, or null.
  const std::string* SiteOfService(const Endpoint& server) const;
  // The site with a service at that address, whatever its port, or null.
  const std::string* SiteOfAddress(const IpAddress& ip) const;
  // The site of a host name, lower case without port, or null. An exact name goes before a
  // wildcard, a longer wildcard before a shorter one.
  const std::string* SiteOfHost(std::string_view host) const;

 private:
  SiteMap() = default;
  absl::Status Add(const config::v1::Site& site);

  // Values are indices of names_.
  std::vector<std::string> names_;
  std::shared_ptr<const LocalAddresses> local_;
  absl::flat_hash_map<Endpoint, size_t> services_;
  absl::flat_hash_map<uint16_t, size_t> ports_;
  absl::flat_hash_map<IpAddress, size_t> addresses_;
  absl::flat_hash_map<std::string, size_t> hosts_;
  // Without the `*`, so with a leading dot.
  absl::flat_hash_map<std::string, size_t> wildcards_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SITE_MAP_H_
