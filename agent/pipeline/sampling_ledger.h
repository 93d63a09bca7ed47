#ifndef SKIMWATCH_AGENT_PIPELINE_SAMPLING_LEDGER_H_
#define SKIMWATCH_AGENT_PIPELINE_SAMPLING_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace skimwatch::pipeline {

// Tells how uncertain figures from samples are. What is seen in one unit of the sampler (a flow, or
// a window of a long one) is in the sample together or not at all, so that many cards of one
// response say less about a total than as many of different flows.
//
// For a total of which occurrence i was seen with probability p_i, the Horvitz-Thompson estimate is
// the sum of 1 / p_i, and an unbiased estimate of its variance is the sum over all pairs i, j of
// one unit, each with itself too, of
//
//   (1 - max(p_i, p_j)) / (p_i * p_j)
//
// since units are drawn independently, and i and j of one unit, whose draw is one number, are seen
// together with probability min(p_i, p_j) (Saerndal, Swensson and Wretman, Model Assisted Survey
// Sampling, 2.8). Add returns by how much the next occurrence makes that sum grow, so that whoever
// adds up findings also adds up their variances.
//
// Thread-compatible. Keeps the last `units_max` units; of one that is forgotten and goes on, pairs
// across are missing.
class SamplingLedger {
 public:
  explicit SamplingLedger(size_t units_max) : units_max_(units_max) {}

  // One more occurrence in `unit` of the total `total` (a hash of what is added up together), seen
  // with `probability`, in (0, 1].
  double Add(uint64_t unit, uint64_t total, double probability);

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct Entry {
    Key key;
    // Probabilities and how many occurrences were seen with each.
    std::vector<std::pair<double, double>> seen;
  };

  const size_t units_max_;
  // The one that was used longest ago first.
  std::list<Entry> by_use_;
  absl::flat_hash_map<Key, std::list<Entry>::iterator> by_key_;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_SAMPLING_LEDGER_H_
