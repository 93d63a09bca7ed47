#ifndef SKIMWATCH_AGENT_TRAFFIC_LOCAL_ADDRESSES_H_
#define SKIMWATCH_AGENT_TRAFFIC_LOCAL_ADDRESSES_H_

#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/traffic/ip_address.h"

namespace skimwatch::traffic {

// The addresses of this host, so that `:443` in a site's services means this host's port and not
// everybody's. Read anew, at most every ten seconds, when an address is asked for that is not
// known, so that addresses may come and go. Loopback addresses are always local. Thread-safe.
class LocalAddresses {
 public:
  using Reader = std::function<std::vector<IpAddress>()>;

  // Asks the kernel (getifaddrs).
  LocalAddresses();
  // For tests: asks `reader`.
  explicit LocalAddresses(Reader reader);

  bool Contains(const IpAddress& ip) const;

 private:
  Reader reader_;
  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_set<IpAddress> known_ ABSL_GUARDED_BY(mutex_);
  mutable absl::Time read_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_LOCAL_ADDRESSES_H_
