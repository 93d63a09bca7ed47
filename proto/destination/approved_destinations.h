#ifndef SKIMWATCH_PROTO_DESTINATION_APPROVED_DESTINATIONS_H_
#define SKIMWATCH_PROTO_DESTINATION_APPROVED_DESTINATIONS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/destination/destination_pattern.h"

namespace skimwatch::destination {

// Which destinations are approved: the approvals in force, to be asked once for each destination.
// Thread-compatible.
class ApprovedDestinations {
 public:
  // An approval for a site's destinations that `pattern` covers, for one executable or, where
  // `process` is empty, for all. It ends at `expires_at`. INVALID_ARGUMENT for a bad pattern.
  absl::Status Add(std::string_view site, std::string_view pattern, std::string_view process,
                   absl::Time expires_at);

  // The approval (its place in the order of Add) that covers a destination at `now`: of several the
  // one that ends last.
  std::optional<size_t> Find(std::string_view site, std::string_view name, std::string_view process,
                             absl::Time now) const;

  size_t size() const { return approvals_.size(); }

 private:
  struct Approval {
    DestinationPattern pattern;
    std::string process;
    absl::Time expires_at;
  };
  struct Site {
    // Patterns that are a name, by it.
    absl::flat_hash_map<std::string, std::vector<size_t>> by_name;
    std::vector<size_t> others;
  };

  std::vector<Approval> approvals_;
  absl::flat_hash_map<std::string, Site> sites_;
};

}  // namespace skimwatch::destination

#endif  // SKIMWATCH_PROTO_DESTINATION_APPROVED_DESTINATIONS_H_
