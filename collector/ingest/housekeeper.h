#ifndef SKIMWATCH_COLLECTOR_INGEST_HOUSEKEEPER_H_
#define SKIMWATCH_COLLECTOR_INGEST_HOUSEKEEPER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/ingest/agent_registry.h"
#include "collector/ingest/store_health.h"
#include "collector/store/store.h"

namespace skimwatch::ingest {

// What the collector does by itself, beside the findings: writes what changed about agents, tries
// the store, so that one that is gone is known also where nobody writes, deletes findings that are
// past retention in small steps, and closes exposures that went quiet. Owns one thread, which
// destruction stops after a last write of the agents.
class Housekeeper {
 public:
  struct Options {
    store::Store* store = nullptr;
    StoreHealth* health = nullptr;
    AgentRegistry* agents = nullptr;
    absl::Duration retention = absl::Hours(24 * 400);
    // Zero for never.
    absl::Duration quiet = absl::Hours(24 * 30);
    // How often agents are written and a store that failed is tried.
    absl::Duration interval = absl::Milliseconds(500);
    // How often a store that works is tried.
    absl::Duration probe_interval = absl::Seconds(5);
    absl::Duration cleaning_interval = absl::Minutes(1);
    std::function<absl::Time()> now = absl::Now;
  };

  explicit Housekeeper(Options options);
  ~Housekeeper();

 private:
  void Run();
  void TryStore();
  // Takes the outcome of a write, and says in the log when the store begins or ends to take them.
  void Note(const absl::Status& status);
  void Clean();
  // Waits; true when it is time to stop.
  bool Pause(absl::Duration duration);

  const Options options_;
  // On the thread.
  absl::Time probed_at_ = absl::InfinitePast();
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_HOUSEKEEPER_H_
