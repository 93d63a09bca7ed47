#include "agent/script/source/settling.h"

#include <algorithm>

namespace skimwatch::script {

void Settling::Note(const std::string& path, absl::Time now, absl::Duration quiet) {
  const auto [entry, is_new] = paths_.try_emplace(path, Times{now + quiet, now + patience_});
  Times& times = entry->second;
  // A clock that was set back must not leave a path waiting for the old time.
  if (!is_new && times.latest > now + patience_) times.latest = now + patience_;
  times.due = std::min(now + quiet, times.latest);
}

std::vector<std::string> Settling::TakeDue(absl::Time now) {
  std::vector<std::string> due;
  for (auto entry = paths_.begin(); entry != paths_.end();) {
    if (entry->second.due > now) {
      ++entry;
      continue;
    }
    due.push_back(entry->first);
    entry = paths_.erase(entry);
  }
  return due;
}

absl::Time Settling::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [path, times] : paths_) next = std::min(next, times.due);
  return next;
}

}  // namespace skimwatch::script
