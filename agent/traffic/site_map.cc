#include "agent/traffic/site_map.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::traffic {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

// `address:port`, `[v6]:port` or `:port`.
struct Service {
  std::optional<IpAddress> ip;
  uint16_t port = 0;
};

std::optional<Service> ParseService(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Service service;
  uint32_t port = 0;
  if (!absl::SimpleAtoi(Absl(text.substr(colon + 1)), &port) || port == 0 || port > 65535) {
    return std::nullopt;
  }
  service.port = static_cast<uint16_t>(port);
  std::string_view address = text.substr(0, colon);
  if (address.empty()) return service;
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  service.ip = IpAddress::Parse(address);
  if (!service.ip.has_value() || service.ip->is_v4() == bracketed) return std::nullopt;
  // A server that is bound to every address.
  if (*service.ip == IpAddress() || *service.ip == *IpAddress::Parse("0.0.0.0")) {
    service.ip.reset();
  }
  return service;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SiteMap>> SiteMap::Create(
    const Sites& sites, std::shared_ptr<const LocalAddresses> local) {
  std::shared_ptr<SiteMap> map(new SiteMap());
  map->local_ = std::move(local);
  for (const config::v1::Site& site : sites) {
    absl::Status status = map->Add(site);
    if (!status.ok()) return status;
  }
  return std::shared_ptr<const SiteMap>(std::move(map));
}

absl::Status SiteMap::Add(const config::v1::Site& site) {
  const size_t index = names_.size();
  names_.push_back(site.name());
  auto taken = [&](std::string_view what, std::string_view value, size_t other) {
    return absl::InvalidArgumentError(absl::StrCat("site ", site.name(), ": ", Absl(what), " `",
                                                   Absl(value), "` already belongs to site ",
                                                   names_[other]));
  };
  for (const std::string& text : site.services()) {
    const std::optional<Service> service = ParseService(text);
    if (!service.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("site ", site.name(), ": service `", text,
                       "` is none of `address:port`, `[v6]:port`, `:port`"));
    }
    if (service->ip.has_value()) {
      auto [it, added] = services_.emplace(Endpoint{*service->ip, service->port}, index);
      if (!added && it->second != index) return taken("service", text, it->second);
      addresses_.emplace(*service->ip, index);
    } else {
      auto [it, added] = ports_.emplace(service->port, index);
      if (!added && it->second != index) return taken("service", text, it->second);
    }
  }
  for (const std::string& text : site.hosts()) {
    std::string host = absl::AsciiStrToLower(text);
    const bool wildcard = host.starts_with("*.");
    if (wildcard) host.erase(0, 1);
    if (host.empty() || host == "." || host.find_first_of("*/: ") != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("site ", site.name(), ": host `", text,
                                                     "` is neither a host name nor `*.` before "
                                                     "one; leave out scheme, port and path"));
    }
    auto [it, added] = (wildcard ? wildcards_ : hosts_).emplace(host, index);
    if (!added && it->second != index) return taken("host", text, it->second);
  }
  return absl::OkStatus();
}

const std::string* SiteMap::SiteOfService(const Endpoint& server) const {
  if (auto it = services_.find(server); it != services_.end()) return &names_[it->second];
  if (auto it = ports_.find(server.port); it != ports_.end()) {
    if (local_ == nullptr || local_->Contains(server.ip)) return &names_[it->second];
  }
  return nullptr;
}

const std::string* SiteMap::SiteOfAddress(const IpAddress& ip) const {
  auto it = addresses_.find(ip);
  return it == addresses_.end() ? nullptr : &names_[it->second];
}

const std::string* SiteMap::SiteOfHost(std::string_view host) const {
  if (auto it = hosts_.find(Absl(host)); it != hosts_.end()) return &names_[it->second];
  if (wildcards_.empty()) return nullptr;
  // `*.example.com` stands for hosts below example.com, not for itself.
  for (size_t dot = host.find('.', 1); dot != std::string_view::npos;
       dot = host.find('.', dot + 1)) {
    if (auto it = wildcards_.find(Absl(host.substr(dot))); it != wildcards_.end()) {
      return &names_[it->second];
    }
  }
  return nullptr;
}

}  // namespace skimwatch::traffic
