#include "agent/traffic/source/file_notifier.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skimwatch::traffic {

FileNotifier::FileNotifier() : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

FileNotifier::~FileNotifier() {
  if (fd_ >= 0) close(fd_);
}

int FileNotifier::WatchFile(int file_fd) {
  if (fd_ < 0) return -1;
  return inotify_add_watch(fd_, absl::StrCat("/proc/self/fd/", file_fd).c_str(), IN_MODIFY);
}

void FileNotifier::Unwatch(int watch) {
  if (watch >= 0) inotify_rm_watch(fd_, watch);
}

void FileNotifier::WatchFolders(const std::set<std::string>& folders) {
  if (fd_ < 0) return;
  absl::flat_hash_set<int> watches;
  for (const std::string& folder : folders) {
    // The same watch again for a folder that has one.
    const int watch = inotify_add_watch(
        fd_, folder.c_str(), IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
    if (watch >= 0) watches.insert(watch);
  }
  for (const int watch : folders_) {
    if (!watches.contains(watch)) Unwatch(watch);
  }
  folders_ = std::move(watches);
}

FileNotifier::Changes FileNotifier::Take() {
  Changes changes;
  absl::flat_hash_set<int> files;
  alignas(inotify_event) char buffer[16 << 10];
  while (fd_ >= 0) {
    const ssize_t got = read(fd_, buffer, sizeof(buffer));
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof(event));
      at += static_cast<ssize_t>(sizeof(event) + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        changes.all = true;
      } else if ((event.mask & IN_IGNORED) != 0) {
        if (folders_.erase(event.wd) > 0) changes.folders = true;
      } else if (folders_.contains(event.wd)) {
        changes.folders = true;
      } else {
        files.insert(event.wd);
      }
    }
  }
  changes.files.assign(files.begin(), files.end());
  return changes;
}

}  // namespace skimwatch::traffic
