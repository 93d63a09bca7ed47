#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_GLOB_LIST_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_GLOB_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

// Globs as fnmatch(3) takes them. One without a slash is matched against the last part of a path,
// one with a slash against the whole path below the root, where `*` also stands for slashes.
// Letters' case counts. Immutable and thread-safe.
class GlobList {
 public:
  GlobList() = default;
  template <typename Globs>
  explicit GlobList(const Globs& globs) : globs_(globs.begin(), globs.end()) {}

  // `path` is relative to the root, without a leading slash.
  bool Matches(const std::string& path) const;

 private:
  std::vector<std::string> globs_;
};

// What a web root's configuration selects.
class Selection {
 public:
  explicit Selection(const config::v1::WebRoot& root)
      : scripts_(root.scripts()), pages_(root.pages()), exclude_(root.exclude()) {}

  bool IsScript(const std::string& path) const {
    return scripts_.Matches(path) && !IsExcluded(path);
  }
  bool IsPage(const std::string& path) const { return pages_.Matches(path) && !IsExcluded(path); }
  bool IsSelected(const std::string& path) const { return IsScript(path) || IsPage(path); }
  // A file to leave out, or a folder that is not entered; also when a folder above is left out.
  bool IsExcluded(const std::string& path) const;

 private:
  GlobList scripts_;
  GlobList pages_;
  GlobList exclude_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_GLOB_LIST_H_
