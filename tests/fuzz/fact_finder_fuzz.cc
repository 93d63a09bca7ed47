// Scripts of any bytes: never a crash or a hang, and what is shown of them (facts and differences)
// can stand in a finding: printable, within its limits, without a card number.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/script/judge/fact_finder.h"
#include "agent/script/judge/text_diff.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace {

using skimwatch::validation::FindCardNumber;

constexpr size_t kDiffBytesMax = 4096;

void CheckShown(std::string_view text) {
  if (!skimwatch::validation::IsUtf8(text)) std::abort();
  if (skimwatch::validation::HasControlCharacter(text, true)) std::abort();
  if (!FindCardNumber(text).empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto& finder = *new skimwatch::script::FactFinder;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  uint64_t offset = 0;
  const auto facts = finder.Find(text);
  for (const skimwatch::v1::ScriptFact& fact : facts) {
    if (fact.offset() < offset || fact.offset() >= size) std::abort();
    offset = fact.offset();
    if (fact.excerpt().size() > skimwatch::script::FactFinder::kExcerptBytesMax) std::abort();
    CheckShown(fact.excerpt());
  }
  if (!skimwatch::script::GainedFacts(facts, facts).empty()) std::abort();
  const auto diff = skimwatch::script::DiffTexts("f", text.substr(0, size / 2),
                                                 text.substr(size / 2), kDiffBytesMax);
  if (!diff.ok() || diff->text.size() > kDiffBytesMax) std::abort();
  CheckShown(diff->text);
  return 0;
}
