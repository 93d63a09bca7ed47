#include "proto/text/nearest.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"

namespace skimwatch::text {
namespace {

// The number of letters that must be added, dropped, changed or swapped with their neighbour to
// make one word of the other.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> distance(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      size_t& here = distance[i][j];
      if (i == 0 || j == 0) {
        here = i + j;
        continue;
      }
      here = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1,
                       distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        here = std::min(here, distance[i - 2][j - 2] + 1);
      }
    }
  }
  return distance[a.size()][b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr size_t kWordBytesMax = 80;
  if (word.size() > kWordBytesMax) return {};
  // `flowRatio` and `flow-ratio` are spellings of `flow_ratio`.
  std::string plain;
  for (size_t i = 0; i < word.size(); ++i) {
    if (absl::ascii_isupper(word[i]) && i > 0 && absl::ascii_islower(word[i - 1])) {
      plain.push_back('_');
    }
    plain.push_back(word[i] == '-' ? '_' : absl::ascii_tolower(word[i]));
  }
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, plain.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const size_t distance = EditDistance(plain, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace skimwatch::text
