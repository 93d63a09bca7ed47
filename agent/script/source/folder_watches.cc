#include "agent/script/source/folder_watches.h"

#include "absl/strings/str_cat.h"

namespace skimwatch::script {

bool IsAtOrBelow(const std::string& path, const std::string& folder) {
  if (folder.empty()) return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string JoinPath(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : absl::StrCat(folder, "/", name);
}

absl::Status FolderWatches::Add(const std::string& folder) {
  absl::StatusOr<int> watch = notifier_.Watch(JoinPath(root_, folder));
  if (!watch.ok()) return watch.status();
  std::string& path = by_watch_[*watch];
  if (path != folder) {
    // The same folder under its old path. The root's is empty like that of a new entry.
    const auto old = by_folder_.find(path);
    if (old != by_folder_.end() && old->second == *watch) by_folder_.erase(old);
    path = folder;
  }
  const auto [entry, is_new] = by_folder_.try_emplace(folder, *watch);
  if (!is_new && entry->second != *watch) {
    // Another folder took the path; the one that was there is gone or will be added where it is.
    by_watch_.erase(entry->second);
    notifier_.Unwatch(entry->second);
    entry->second = *watch;
  }
  return absl::OkStatus();
}

void FolderWatches::RemoveBelow(const std::string& folder) {
  for (auto entry = by_folder_.lower_bound(folder); entry != by_folder_.end();) {
    // `a-b` stands between `a` and `a/b`.
    if (!entry->first.starts_with(folder)) break;
    if (!IsAtOrBelow(entry->first, folder)) {
      ++entry;
      continue;
    }
    by_watch_.erase(entry->second);
    notifier_.Unwatch(entry->second);
    entry = by_folder_.erase(entry);
  }
}

void FolderWatches::Ended(int watch) {
  const auto entry = by_watch_.find(watch);
  if (entry == by_watch_.end()) return;
  const auto folder = by_folder_.find(entry->second);
  if (folder != by_folder_.end() && folder->second == watch) by_folder_.erase(folder);
  by_watch_.erase(entry);
}

const std::string* FolderWatches::FolderOf(int watch) const {
  const auto entry = by_watch_.find(watch);
  return entry == by_watch_.end() ? nullptr : &entry->second;
}

}  // namespace skimwatch::script
