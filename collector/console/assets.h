#ifndef SKIMWATCH_COLLECTOR_CONSOLE_ASSETS_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_ASSETS_H_

#include <string_view>

#include "absl/types/span.h"

namespace skimwatch::console {

// Files that are compiled into the program (embed.cmake).
struct Asset {
  std::string_view name;
  std::string_view content;
};

// templates/*.html
absl::Span<const Asset> TemplateAssets();
// assets/*: what browsers fetch below /assets/.
absl::Span<const Asset> StaticAssets();

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_ASSETS_H_
