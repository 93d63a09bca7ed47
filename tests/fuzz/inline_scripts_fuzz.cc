// Pages of any bytes: never a crash or a hang, scripts numbered in document order at places that
// are in the page, the bytes of a plain element those of the page, and references in order, each
// once, under names that a finding may carry.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "agent/script/judge/inline_scripts.h"
#include "agent/script/judge/script_references.h"
#include "agent/script/script_name.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckName(const std::string& name) {
  Require(name.size() <= 4160);
  Require(skimwatch::validation::IsUtf8(name));
  Require(!skimwatch::validation::HasControlCharacter(name, false));
  Require(skimwatch::validation::FindCardNumber(name).empty());
  Require(name.find('#', name.find('#') + 1) == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view page(reinterpret_cast<const char*>(data), size);
  const skimwatch::script::PageScripts scripts = skimwatch::script::ExtractPageScripts(page);
  int number = 0;
  uint64_t offset = 0;
  for (const skimwatch::script::InlineScript& script : scripts.inline_scripts) {
    Require(script.number == ++number);
    Require(script.offset >= offset && script.offset <= size);
    offset = script.offset;
    Require(!script.text.empty());
  }
  const skimwatch::script::ScriptReference* previous = nullptr;
  for (const skimwatch::script::ScriptReference& reference : scripts.references) {
    Require(!reference.address.empty() && !reference.text.empty());
    if (previous != nullptr) {
      Require(std::pair(previous->kind, previous->address) <
              std::pair(reference.kind, reference.address));
    }
    previous = &reference;
    CheckName(skimwatch::script::NameOfReference("page.html",
                                                 skimwatch::script::ReferenceKey(reference)));
  }
  return 0;
}
