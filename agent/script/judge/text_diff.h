#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_TEXT_DIFF_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_TEXT_DIFF_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace skimwatch::script {

struct TextDiff {
  // Unified format with three lines of context; card numbers are replaced by `*`, control
  // characters and bytes that are no UTF-8 by U+FFFD. Long lines, as minified scripts have, are
  // broken at statement ends first so that a difference shows what changed rather than the whole
  // file. Texts that differ in nothing but card numbers give a line that says so; equal texts give
  // none.
  std::string text;
  // Bytes beyond the limit.
  uint64_t truncated_bytes = 0;
};

// A text larger than this is not compared.
inline constexpr size_t kDiffTextBytesMax = size_t{4} << 20;

// The difference that a person needs to judge a change. Thread-safe. Where one of the texts is
// above kDiffTextBytesMax the result says so in one line. `name` stands in the headers. INTERNAL
// when the texts can't be compared for lack of memory.
absl::StatusOr<TextDiff> DiffTexts(std::string_view name, std::string_view previous,
                                   std::string_view current, size_t bytes_max);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_TEXT_DIFF_H_
