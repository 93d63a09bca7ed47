#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_FILE_NOTIFIER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_FILE_NOTIFIER_H_

#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace skimwatch::traffic {

// inotify(7) for files that are followed and folders that new ones appear in. Every failure (no
// inotify, no watches left) only means that less is told; who relies on it must poll besides.
// Thread-compatible.
class FileNotifier {
 public:
  // Watches of files, as WatchFile returned them.
  struct Changes {
    std::vector<int> files;
    // A folder changed.
    bool folders = false;
    // Changes were lost: everything may have changed.
    bool all = false;
  };

  FileNotifier();
  ~FileNotifier();
  FileNotifier(const FileNotifier&) = delete;
  FileNotifier& operator=(const FileNotifier&) = delete;

  // Tells of writes to the file that is open as `file_fd`, whatever it is called. -1 on failure.
  int WatchFile(int file_fd);
  void Unwatch(int watch);
  // Tells of names that come and go in these folders, and no more in others.
  void WatchFolders(const std::set<std::string>& folders);

  // Readable when there are changes; -1 without inotify.
  int fd() const { return fd_; }
  Changes Take();

 private:
  const int fd_;
  absl::flat_hash_set<int> folders_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_FILE_NOTIFIER_H_
