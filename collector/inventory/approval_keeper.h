#ifndef SKIMWATCH_COLLECTOR_INVENTORY_APPROVAL_KEEPER_H_
#define SKIMWATCH_COLLECTOR_INVENTORY_APPROVAL_KEEPER_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/inventory/inventory.h"

namespace skimwatch::inventory {

// What happens to approvals by itself: those whose time is over end, and lists that publishers put
// into a folder are imported. Owns one thread, which destruction stops.
class ApprovalKeeper {
 public:
  struct Options {
    Inventory* inventory = nullptr;
    // Where publishers' lists are; empty for nowhere.
    std::string lists_folder;
    // How often approvals and the folder are looked at.
    absl::Duration interval = absl::Seconds(5);
    absl::Duration folder_interval = absl::Minutes(1);
  };

  explicit ApprovalKeeper(Options options);
  ~ApprovalKeeper();

  // Imports the lists of the folder that changed since the last time: `NAME.json` with its
  // signature `NAME.json.sig`. What is refused is logged once. For the thread, and for tests
  // without one.
  static void ImportFolder(Inventory& inventory, const std::string& folder,
                           std::map<std::string, std::string>& seen);

 private:
  void Run();

  const Options options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // By path: size and time of a list and its signature when they were read last.
  std::map<std::string, std::string> seen_;
  std::thread thread_;
};

}  // namespace skimwatch::inventory

#endif  // SKIMWATCH_COLLECTOR_INVENTORY_APPROVAL_KEEPER_H_
