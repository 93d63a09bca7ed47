#include "agent/script/source/browser_report/claims.h"

#include <iterator>
#include <utility>

namespace skimwatch::script {

size_t Claims::Of(uint64_t network) const {
  const auto found = networks_.find(network);
  return found == networks_.end() ? 0 : found->second.size();
}

const std::string* Claims::YieldingTo(uint64_t network) const {
  const std::list<std::string>* most = nullptr;
  for (const auto& [other, claims] : networks_) {
    if (most == nullptr || claims.size() > most->size()) most = &claims;
  }
  // One less would only turn the two around.
  if (most == nullptr || most->size() < Of(network) + 2) return nullptr;
  return &most->front();
}

Claims::Claim Claims::Add(uint64_t network, std::string key) {
  std::list<std::string>& claims = networks_[network];
  claims.push_back(std::move(key));
  ++size_;
  return std::prev(claims.end());
}

void Claims::Remove(uint64_t network, Claim claim) {
  const auto found = networks_.find(network);
  if (found == networks_.end()) return;
  found->second.erase(claim);
  --size_;
  if (found->second.empty()) networks_.erase(found);
}

}  // namespace skimwatch::script
