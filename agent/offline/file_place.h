#ifndef SKIMWATCH_AGENT_OFFLINE_FILE_PLACE_H_
#define SKIMWATCH_AGENT_OFFLINE_FILE_PLACE_H_

#include <string>
#include <string_view>
#include <vector>

#include "agent/offline/match_writer.h"
#include "agent/offline/shown_text.h"

namespace skimwatch::offline {

// A file that is scanned, as the place of its matches. What is shown of the path is made when there
// is one: most files have none.
struct FilePlace {
  // As on disk.
  std::string path;
  // Compressions undone, outermost first.
  std::vector<std::string_view> container;

  Place Shown() const { return {.path = ShownText(path), .container = container}; }
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_PLACE_H_
