#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_CLAIMS_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_CLAIMS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace skimwatch::script {

// What waits until others say the same, by the network that said it first: there is room for so
// much of it, and no network may take what the others need. One alone has at most `of_network_max`.
// When all is taken, what the network with the most claims said first gives way to one that has
// clearly less, so that in the end all have as much and nothing gives way any more.
//
// Keeps keys; their owner keeps the rest. Thread-compatible.
class Claims {
 public:
  using Claim = std::list<std::string>::iterator;

  Claims(size_t max, size_t of_network_max) : max_(max), of_network_max_(of_network_max) {}

  size_t size() const { return size_; }
  bool is_full() const { return size_ >= max_; }
  bool MayAdd(uint64_t network) const { return Of(network) < of_network_max_; }

  // The key that is to be removed so that `network` can claim another; null when none gives way.
  // Walks over the networks.
  const std::string* YieldingTo(uint64_t network) const;

  // The claim holds until it is removed.
  Claim Add(uint64_t network, std::string key);
  void Remove(uint64_t network, Claim claim);

 private:
  size_t Of(uint64_t network) const;

  const size_t max_;
  const size_t of_network_max_;
  size_t size_ = 0;
  // The oldest claim first.
  absl::flat_hash_map<uint64_t, std::list<std::string>> networks_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_CLAIMS_H_
