// Scripts of any bytes, and one put after the other: never a crash or a hang, whatever is parsed,
// evaluated and compared, and what is shown of it can stand in a finding: printable, within its
// limits, without a card number.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/fact_finder.h"
#include "agent/script/judge/script_judge.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace {

using skimwatch::script::RedactCards;
using skimwatch::script::ScriptJudge;

void CheckShown(std::string_view text, size_t bytes_max) {
  if (text.size() > bytes_max) std::abort();
  if (!skimwatch::validation::IsUtf8(text)) std::abort();
  if (skimwatch::validation::HasControlCharacter(text, true)) std::abort();
  if (!skimwatch::validation::FindCardNumber(text).empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto& judge = *new ScriptJudge(
      {.parse_time_max = absl::Seconds(1), .read_time_max = absl::Milliseconds(200)});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string before = RedactCards(text.substr(0, size / 2)).text;
  const std::string after = RedactCards(text).text;
  const auto facts_before = judge.FirstPass(before, 100);
  const auto facts_after = judge.FirstPass(after, 100);
  skimwatch::v1::ScriptChange change;
  change.set_change(skimwatch::v1::ScriptChange::CHANGE_CHANGED);
  change.mutable_previous()->set_sha256("a");
  judge.Judge({.text = &before, .facts = &facts_before}, {.text = &after, .facts = &facts_after},
              change);
  if (change.facts_size() > 256 || change.gained_facts_size() > 256) std::abort();
  if (change.functions_size() > 24 || change.reasons_size() > 32) std::abort();
  for (const auto& fact : change.facts()) {
    CheckShown(fact.excerpt(), skimwatch::script::FactFinder::kExcerptBytesMax);
    if (fact.offset() > size) std::abort();
  }
  for (const auto& reason : change.reasons()) CheckShown(reason, 240);
  for (const auto& function : change.functions()) {
    CheckShown(function.name(), 120);
    CheckShown(function.excerpt(), 400);
    CheckShown(function.previous_excerpt(), 400);
  }
  return 0;
}
