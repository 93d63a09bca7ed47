#include "collector/ctl/exposure_counts.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/describe.h"

namespace skimwatch::ctl {

namespace {

// `1234567` -> `1,234,567`.
std::string Grouped(double number) {
  std::string digits = absl::StrFormat("%.0f", number);
  for (ptrdiff_t at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

}  // namespace

std::string Occurrences(const v1::Exposure& exposure) {
  if (!exposure.sampled()) return absl::StrCat(exposure.occurrences());
  return absl::StrCat("~", Grouped(exposure.estimated_occurrences()), " \u00b1 ",
                      Grouped(std::sqrt(exposure.estimated_occurrences_variance())), " (sampled)");
}

std::string CardsInAll(const v1::Exposure& exposure) {
  if (!exposure.sampled() || exposure.distinct_cards() == 0) return "";
  return absl::StrCat("at least ", exposure.distinct_cards(), "; about ",
                      Grouped(exposure.estimated_distinct_cards_max()),
                      " if each was sent once, fewer if some were sent again (sampled)");
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

std::string ClosedNote(const v1::Exposure& exposure) {
  if (exposure.state() != v1::Exposure::STATE_CLOSED) return "";
  return absl::StrCat(Describe(exposure.closed_at()), " by ", exposure.closed_by(), ": ",
                      exposure.close_reason());
}

}  // namespace skimwatch::ctl
