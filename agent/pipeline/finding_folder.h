#ifndef SKIMWATCH_AGENT_PIPELINE_FINDING_FOLDER_H_
#define SKIMWATCH_AGENT_PIPELINE_FINDING_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// Folds repeats of a finding into one with a count. The first is passed on at once; what repeats it
// within the window is passed on as one finding when the window ends. Findings repeat each other
// only when they would be told the same way: one card, rule, confidence, site, channel,
// destination and chain of encodings. Distinct cards are never folded.
//
// Thread-compatible. Memory is bounded by `entries_max`: beyond it the oldest window ends early.
class FindingFolder {
 public:
  // A window of zero folds nothing.
  FindingFolder(absl::Duration window, size_t entries_max)
      : window_(window), entries_max_(entries_max) {}

  // `card` tells cards apart: a fingerprint. Appends to `out` what is to be passed on. `now` is of
  // a clock that is never set back.
  void Take(v1::Finding finding, const std::string& card, absl::Time now,
            std::vector<v1::Finding>& out);

  // Ends the windows that are over at `now`.
  void Expire(absl::Time now, std::vector<v1::Finding>& out);
  // Passes on what was folded so far; windows go on.
  void Flush(std::vector<v1::Finding>& out);

  // When Expire has something to do; InfiniteFuture when nothing is open.
  absl::Time NextExpiry() const;

  // Findings that were not passed on as such, but counted in another.
  uint64_t folded() const { return folded_; }

 private:
  struct Entry {
    std::string key;
    absl::Time ends;
    // The repeats since the last that was passed on; count 0 for none.
    v1::Finding repeats;
  };
  using Entries = std::list<Entry>;

  static void PassOn(Entry& entry, std::vector<v1::Finding>& out);

  const absl::Duration window_;
  const size_t entries_max_;
  // In the order in which their windows end.
  Entries entries_;
  absl::flat_hash_map<std::string, Entries::iterator> by_key_;
  uint64_t folded_ = 0;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_FINDING_FOLDER_H_
