#ifndef SKIMWATCH_COLLECTOR_TOKEN_KEY_SOURCE_H_
#define SKIMWATCH_COLLECTOR_TOKEN_KEY_SOURCE_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/token/key_set.h"

namespace skimwatch::token {

// The keys of one issuer, loaded again and again by a thread of its own, so that nobody who checks
// a token waits for a disk or the network. Keys that can't be loaded anew stay in force for a
// while: a provider that is down must not take the operators away just then. Thread-safe.
class KeySource {
 public:
  struct Options {
    // For logs: the file or the address.
    std::string name;
    // Loads a JWKS; called by the source's thread alone.
    std::function<absl::StatusOr<std::string>()> load;
    // From one load to the next, and after one that failed.
    absl::Duration refresh = absl::Hours(1);
    absl::Duration retry = absl::Seconds(30);
    // The least time between loads that Want asks for.
    absl::Duration wanted_min = absl::Seconds(30);
    // How long keys stay in force after they were last loaded.
    absl::Duration keep = absl::Hours(24);
    std::function<absl::Time()> now = absl::Now;
  };

  // Loads at once, in its thread.
  explicit KeySource(Options options);
  // Waits for a load that is under way.
  ~KeySource();
  KeySource(const KeySource&) = delete;
  KeySource& operator=(const KeySource&) = delete;

  // Null before the first load, and when the last one is longer ago than `keep`.
  std::shared_ptr<const KeySet> Get() const;

  // Asks for a load because a key is missing. False when the last load is too young for another
  // one: whoever makes up key ids must not make us ask the provider without end.
  bool Want();

  // Waits until a first load is over, successful or not; for tests and for starting.
  bool AwaitFirstLoad(absl::Duration timeout) const;

 private:
  void Run();
  void Load();

  const Options options_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const KeySet> keys_ ABSL_GUARDED_BY(mutex_);
  absl::Time loaded_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time tried_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool tried_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the thread alone.
  std::string text_;
  std::thread thread_;
};

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_KEY_SOURCE_H_
