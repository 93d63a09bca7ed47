#include "agent/script/judge/inline_match.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "absl/container/flat_hash_map.h"

namespace skimwatch::script {
namespace {

// Below this two scripts are strangers.
constexpr double kLikenessMin = 0.3;
// Pairs of one gap that are compared; beyond, order decides.
constexpr size_t kPairsMax = 1024;

// Scripts between two recognised neighbours.
struct Gap {
  std::vector<int> previous;
  std::vector<int> current;
};

void PairByLikeness(const Gap& gap, const std::function<double(int, int)>& likeness,
                    std::vector<int>& previous_of) {
  std::vector<std::tuple<double, int, int>> pairs;
  for (const int p : gap.previous) {
    for (const int c : gap.current) {
      const double score = likeness(p, c);
      if (score >= kLikenessMin) pairs.emplace_back(-score, p, c);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  std::vector<int> taken;
  for (const auto& [score, p, c] : pairs) {
    if (previous_of[c] >= 0 || std::find(taken.begin(), taken.end(), p) != taken.end()) continue;
    previous_of[c] = p;
    taken.push_back(p);
  }
}

}  // namespace

double Likeness(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  const size_t shorter = std::min(a.size(), b.size());
  size_t head = 0;
  while (head < shorter && a[head] == b[head]) ++head;
  size_t tail = 0;
  while (tail < shorter - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  return static_cast<double>(head + tail) / static_cast<double>(std::max(a.size(), b.size()));
}

InlineMatch MatchInlineScripts(const std::vector<std::string>& previous,
                               const std::vector<std::string>& current,
                               const std::function<double(int, int)>& likeness) {
  InlineMatch match;
  match.previous_of.assign(current.size(), -1);
  absl::flat_hash_map<std::string_view, int> index;
  for (size_t p = 0; p < previous.size(); ++p) index.try_emplace(previous[p], static_cast<int>(p));
  std::vector<bool> found(previous.size(), false);
  for (size_t c = 0; c < current.size(); ++c) {
    const auto entry = index.find(current[c]);
    if (entry == index.end() || found[entry->second]) continue;
    match.previous_of[c] = entry->second;
    found[entry->second] = true;
  }

  // The old scripts that are gone, by the recognised one before them.
  absl::flat_hash_map<int, std::vector<int>> gone_after;
  int neighbour = -1;
  for (size_t p = 0; p < previous.size(); ++p) {
    if (found[p]) {
      neighbour = static_cast<int>(p);
    } else {
      gone_after[neighbour].push_back(static_cast<int>(p));
    }
  }
  const std::vector<int> by_hash = match.previous_of;
  neighbour = -1;
  for (size_t c = 0; c <= current.size(); ++c) {
    if (c < current.size() && by_hash[c] < 0) continue;
    // A recognised script or the end: what is new since the neighbour is one gap with what is gone.
    Gap gap;
    for (size_t n = c; n > 0 && by_hash[n - 1] < 0; --n)
      gap.current.push_back(static_cast<int>(n - 1));
    std::reverse(gap.current.begin(), gap.current.end());
    if (const auto gone = gone_after.find(neighbour); gone != gone_after.end()) {
      gap.previous = gone->second;
    }
    if (gap.previous.size() == gap.current.size() ||
        gap.previous.size() * gap.current.size() > kPairsMax) {
      const size_t pairs = std::min(gap.previous.size(), gap.current.size());
      for (size_t i = 0; i < pairs; ++i) match.previous_of[gap.current[i]] = gap.previous[i];
    } else {
      PairByLikeness(gap, likeness, match.previous_of);
    }
    if (c < current.size()) neighbour = by_hash[c];
  }
  return match;
}

}  // namespace skimwatch::script
