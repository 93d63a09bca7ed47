#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_NOTIFIER_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_NOTIFIER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skimwatch::script {

// What the kernel said about an entry of a watched folder.
struct Notification {
  enum class Kind : uint8_t {
    // The entry is there, or there again, and whole: moved in, closed after writing, or changed in
    // its permissions.
    kSettled,
    // The entry is being written; more will follow.
    kWriting,
    // The entry was made; a writer may follow or not (a link).
    kCreated,
    // The entry went away.
    kGone,
    // The watch itself ended: its folder is gone.
    kWatchEnded,
    // Notifications were lost; nothing else in it counts.
    kOverflow,
  };
  Kind kind = Kind::kSettled;
  int watch = -1;
  bool is_folder = false;
  // Of the entry, within the folder.
  std::string name;
};

// The seam to inotify, so that tests can lose notifications, run out of watches and break it.
// Belongs to one thread, but for Wake.
class Notifier {
 public:
  virtual ~Notifier() = default;

  // Watches the entries of a folder, not what is below them. The same folder, under any path, gives
  // the same number. RESOURCE_EXHAUSTED at the system's limit of watches, NOT_FOUND when it is no
  // longer a folder, else what the kernel said.
  virtual absl::StatusOr<int> Watch(const std::string& path) = 0;
  virtual void Unwatch(int watch) = 0;
  // Waits until there is something or the time is over, and appends what there is. Fails when the
  // notifier is broken for good.
  virtual absl::Status Read(absl::Duration timeout, std::vector<Notification>& notifications) = 0;
  // Makes a Read that waits return. Thread-safe.
  virtual void Wake() = 0;
};

// RESOURCE_EXHAUSTED at the system's limit of instances.
absl::StatusOr<std::unique_ptr<Notifier>> MakeInotifyNotifier();

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_NOTIFIER_H_
