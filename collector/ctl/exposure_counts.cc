#include "collector/ctl/exposure_counts.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace skimwatch::ctl {

std::string Occurrences(const v1::Exposure& exposure) {
  if (!exposure.sampled()) return absl::StrCat(exposure.occurrences());
  return absl::StrFormat("%d (~%.0f)", exposure.occurrences(), exposure.estimated_occurrences());
}

std::string Cards(const v1::Exposure& exposure) {
  const bool too_many = exposure.fingerprint_key_ids_size() > 1;
  const bool too_few = exposure.occurrences_without_fingerprint() > 0;
  const std::string_view bound = too_many && too_few ? "~" : too_many ? "<=" : too_few ? ">=" : "";
  const std::string count = absl::StrCat(std::string(bound), exposure.distinct_cards());
  if (exposure.distinct_test_cards() == 0) return count;
  return absl::StrCat(count, " (", exposure.distinct_test_cards(), " test)");
}

std::string CardsNote(const v1::Exposure& exposure) {
  std::string note;
  if (exposure.fingerprint_key_ids_size() > 1) {
    note =
        absl::StrCat("at most: a card seen under several of the keys ",
                     absl::StrJoin(exposure.fingerprint_key_ids(), ", "), " counts once for each");
  }
  if (const uint64_t without = exposure.occurrences_without_fingerprint(); without > 0) {
    absl::StrAppend(&note, note.empty() ? "" : "; ",
                    "without cards that have no fingerprint, seen ", without,
                    without == 1 ? " time" : " times");
  }
  return note;
}

}  // namespace skimwatch::ctl
