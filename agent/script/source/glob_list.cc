#include "agent/script/source/glob_list.h"

#include <fnmatch.h>

#include <algorithm>

namespace skimwatch::script {

bool GlobList::Matches(const std::string& path) const {
  const size_t slash = path.rfind('/');
  const char* name = slash == std::string::npos ? path.c_str() : path.c_str() + slash + 1;
  return std::any_of(globs_.begin(), globs_.end(), [&](const std::string& glob) {
    const bool whole = glob.find('/') != std::string::npos;
    return fnmatch(glob.c_str(), whole ? path.c_str() : name, 0) == 0;
  });
}

bool Selection::IsExcluded(const std::string& path) const {
  if (exclude_.Matches(path)) return true;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (exclude_.Matches(path.substr(0, slash))) return true;
  }
  return false;
}

}  // namespace skimwatch::script
