#ifndef SKIMWATCH_AGENT_OFFLINE_BASELINE_H_
#define SKIMWATCH_AGENT_OFFLINE_BASELINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace skimwatch::offline {

// Findings by identity, of a run that is over or of one that is written down. docs/scan.md
// describes the file. It holds no number, and of each finding only what is one-way under a key that
// is not in it (PCI DSS 4.0.1, 3.5.1.1). Thread-safe.
class Baseline {
 public:
  struct Entry {
    // For the person who reads a change of the file; nothing is decided by them.
    std::string path;
    std::string kind;
    std::string brand;
    uint64_t count = 0;
  };

  explicit Baseline(std::string key_id) : key_id_(std::move(key_id)) {}

  // Reads a file. Errors name the file and the field; INVALID_ARGUMENT also where it was made with
  // another key, under which nothing would be known.
  static absl::StatusOr<std::unique_ptr<Baseline>> Load(const std::string& path,
                                                        const std::string& key_id);

  // Whether there is one more finding of that identity than asked for before.
  bool Take(std::string_view identity);
  // How many findings nobody asked for: they are gone.
  uint64_t untaken() const;

  void Add(std::string_view identity, std::string_view path, std::string_view kind,
           std::string_view brand);
  // Writes all that were added, sorted, so that a change of the findings is a small change of the
  // file. It is there as a whole or not at all.
  absl::Status Save(const std::string& path) const;

 private:
  struct Counted {
    Entry entry;
    uint64_t taken = 0;
  };

  const std::string key_id_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Counted, std::less<>> findings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_BASELINE_H_
