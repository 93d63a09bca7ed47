#ifndef SKIMWATCH_COLLECTOR_CONSOLE_SIDE_BY_SIDE_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_SIDE_BY_SIDE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::console {

// One row of a difference that is shown in two columns.
struct DiffRow {
  enum class Kind {
    // Between two parts of the text; `left` says where the next one is.
    kGap,
    kSame,
    // On either side, or on both: what was taken away, and what came in its place.
    kChanged,
  };
  Kind kind = Kind::kSame;
  // 0 where the side has no line.
  uint64_t left_number = 0;
  uint64_t right_number = 0;
  bool has_left = false;
  bool has_right = false;
  std::string left;
  std::string right;
};

// Puts a unified difference (as ScriptRecord.diff is) into two columns: lines that were taken away
// beside those that came in their place. Takes any text: lines before the first `@@` and those that
// no rule fits are a gap. At most `rows_max` rows; `cut` says that there was more.
std::vector<DiffRow> SideBySide(std::string_view diff, size_t rows_max, bool& cut);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_SIDE_BY_SIDE_H_
