#ifndef SKIMWATCH_AGENT_OFFLINE_FILE_PLACE_H_
#define SKIMWATCH_AGENT_OFFLINE_FILE_PLACE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/offline/finding.h"
#include "agent/offline/shown_text.h"

namespace skimwatch::offline {

// A file that is scanned, or a member of an archive, as the place of its matches. What is shown of
// the path is made when there is one: most files have none.
struct FilePlace {
  // As on disk.
  std::string path;
  // Of the archive's member, and of its member where it is an archive itself: `a.tar!b/c`. Empty
  // for the file itself.
  std::string inner;
  // Compressions and archives undone, outermost first.
  std::vector<std::string_view> container;

  // What errors name.
  std::string Full() const { return inner.empty() ? path : absl::StrCat(path, "!", inner); }

  Place Shown() const {
    Place place{.path = ShownText(path), .container = container};
    place.file_bytes = place.path.size();
    if (!inner.empty()) absl::StrAppend(&place.path, "!", ShownText(inner));
    return place;
  }
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_PLACE_H_
