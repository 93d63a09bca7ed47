#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_SETTLING_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_SETTLING_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace skimwatch::script {

// Paths that something happened to, until they have been quiet for long enough to be read whole.
// What never becomes quiet is due at the latest `patience` after it was first noted.
// Thread-compatible; the times are the caller's.
class Settling {
 public:
  explicit Settling(absl::Duration patience) : patience_(patience) {}

  // Due `quiet` after `now`, unless it is noted again.
  void Note(const std::string& path, absl::Time now, absl::Duration quiet);
  // The paths that are due, in order, which are forgotten.
  std::vector<std::string> TakeDue(absl::Time now);
  // Infinite when there is nothing.
  absl::Time NextDue() const;

  size_t size() const { return paths_.size(); }
  bool empty() const { return paths_.empty(); }
  void Clear() { paths_.clear(); }

 private:
  struct Times {
    absl::Time due;
    absl::Time latest;
  };

  const absl::Duration patience_;
  std::map<std::string, Times> paths_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_SETTLING_H_
