// Pages of any bytes: never a crash or a hang, scripts numbered in document order at places that
// are in the page, and the bytes of a plain element those of the page.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/script/judge/inline_scripts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view page(reinterpret_cast<const char*>(data), size);
  int number = 0;
  uint64_t offset = 0;
  for (const skimwatch::script::InlineScript& script :
       skimwatch::script::ExtractInlineScripts(page)) {
    if (script.number != ++number) std::abort();
    if (script.offset < offset || script.offset > size) std::abort();
    offset = script.offset;
    if (script.text.empty()) std::abort();
  }
  return 0;
}
