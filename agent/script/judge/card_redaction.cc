#include "agent/script/judge/card_redaction.h"

#include <algorithm>

#include "proto/validation/card_digits.h"

namespace skimwatch::script {

RedactedText RedactCards(std::string_view text) {
  RedactedText redacted;
  redacted.text = text;
  size_t from = 0;
  while (from < text.size()) {
    const validation::DigitRange range = validation::FindCardNumber(text, from);
    if (range.empty()) break;
    redacted.card_offsets.push_back(range.begin);
    std::fill(redacted.text.begin() + static_cast<std::ptrdiff_t>(range.begin),
              redacted.text.begin() + static_cast<std::ptrdiff_t>(range.end), '*');
    from = range.end;
  }
  return redacted;
}

}  // namespace skimwatch::script
