#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_FOLDER_WATCHES_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_FOLDER_WATCHES_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "agent/script/source/notifier.h"

namespace skimwatch::script {

// Which folder each watch stands for. Folders are paths below the root, the root itself is empty.
// A folder that moved keeps its watch and gets its new path when it is added again there.
// Thread-compatible.
class FolderWatches {
 public:
  // Both must outlive this.
  FolderWatches(Notifier& notifier, const std::string& root) : notifier_(notifier), root_(root) {}

  // Watches a folder; again is no harm. The error is the notifier's.
  absl::Status Add(const std::string& folder);
  // Ends the watches of a folder and of all below it.
  void RemoveBelow(const std::string& folder);
  // The kernel ended this watch.
  void Ended(int watch);

  // nullptr for a watch that is no longer ours: what it says is of a folder that went.
  const std::string* FolderOf(int watch) const;
  bool Contains(const std::string& folder) const { return by_folder_.contains(folder); }
  size_t size() const { return by_folder_.size(); }

 private:
  Notifier& notifier_;
  const std::string& root_;
  std::map<std::string, int> by_folder_;
  absl::flat_hash_map<int, std::string> by_watch_;
};

// Whether `path` is `folder` or below it; everything is below the empty folder.
bool IsAtOrBelow(const std::string& path, const std::string& folder);

// `folder/name`, or `name` at the root.
std::string JoinPath(const std::string& folder, const std::string& name);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_FOLDER_WATCHES_H_
