// The same bytes through the card scanner with every set of vector instructions that the processor
// has: each finds the same.
//
// The first byte sets the decode depth.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "hwy/highway.h"

namespace {

using skimwatch::card::BrandTable;
using skimwatch::card::CardMatch;
using skimwatch::card::MatchSink;
using skimwatch::card::ScanStream;

class Summary : public MatchSink {
 public:
  void OnMatch(const CardMatch& match) override {
    found.emplace_back(match.offset, match.length, match.score, static_cast<int>(match.kind),
                       match.encodings.size());
  }
  std::vector<std::tuple<uint64_t, uint32_t, int, int, size_t>> found;
};

std::vector<std::tuple<uint64_t, uint32_t, int, int, size_t>> Scan(std::string_view text, int depth,
                                                                   int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().DeInit();
  ScanStream stream({.decode_depth = depth}, BrandTable::Default());
  Summary summary;
  stream.Begin({});
  stream.Feed(text, summary);
  stream.Finish(summary);
  return summary.found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const auto& targets = *new std::vector<int64_t>(hwy::SupportedAndGeneratedTargets());
  const int depth = data[0] % 5;
  const auto expected = Scan(text, depth, targets.front());
  for (const int64_t target : targets) {
    if (Scan(text, depth, target) != expected) std::abort();
  }
  return 0;
}
