#include "collector/ctl/redact.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::ctl {

std::string Redacted(std::string_view message) {
  constexpr ptrdiff_t kDigitsMin = 12;
  std::string redacted(message);
  validation::MaskCardNumbers(redacted);
  for (auto begin = redacted.begin(); begin != redacted.end();) {
    begin = std::find_if(begin, redacted.end(), absl::ascii_isdigit);
    const auto end = std::find_if_not(begin, redacted.end(), absl::ascii_isdigit);
    if (end - begin >= kDigitsMin) std::fill(begin, end, '*');
    begin = end;
  }
  return redacted;
}

}  // namespace skimwatch::ctl
