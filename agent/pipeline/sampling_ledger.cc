#include "agent/pipeline/sampling_ledger.h"

#include <algorithm>
#include <iterator>

namespace skimwatch::pipeline {

double SamplingLedger::Add(uint64_t unit, uint64_t total, double probability) {
  const Key key{unit, total};
  auto it = by_key_.find(key);
  if (it == by_key_.end()) {
    if (by_key_.size() >= units_max_ && !by_use_.empty()) {
      by_key_.erase(by_use_.front().key);
      by_use_.pop_front();
    }
    by_use_.push_back({.key = key, .seen = {}});
    it = by_key_.emplace(key, std::prev(by_use_.end())).first;
  } else {
    by_use_.splice(by_use_.end(), by_use_, it->second);
  }
  std::vector<std::pair<double, double>>& seen = it->second->seen;
  // With itself, and twice with each of the others.
  double variance = (1 - probability) / (probability * probability);
  auto same = seen.end();
  for (auto one = seen.begin(); one != seen.end(); ++one) {
    const auto& [other, count] = *one;
    variance += 2 * count * (1 - std::max(probability, other)) / (probability * other);
    if (other == probability) same = one;
  }
  if (same != seen.end()) {
    same->second += 1;
  } else {
    seen.emplace_back(probability, 1);
  }
  return variance;
}

}  // namespace skimwatch::pipeline
