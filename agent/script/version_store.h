#ifndef SKIMWATCH_AGENT_SCRIPT_VERSION_STORE_H_
#define SKIMWATCH_AGENT_SCRIPT_VERSION_STORE_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// A longer text is not kept.
inline constexpr size_t kKeptTextBytesMax = size_t{16} << 20;

// What is kept of a version of a script to compare the next one with.
struct KeptVersion {
  std::vector<v1::ScriptFact> facts;
  // Without card numbers; nullopt when it was too large to keep or had to make room.
  std::optional<std::string> text;
};

// The versions that web roots hold on to, by SHA-256, in files `<hash>.facts` and `<hash>.text` of
// a folder of its own (CheckedFile). A damaged file is counted, removed, and as if it had never
// been: it costs a difference, nothing else.
//
// Bounded: beyond `bytes_max` the oldest texts go first, then the oldest facts, each counted.
// Thread-safe.
class VersionStore {
 public:
  struct Stats {
    uint64_t bytes = 0;
    uint64_t evicted = 0;
    uint64_t damaged = 0;
    uint64_t write_errors = 0;
    std::string last_error;
  };

  // The folder is made when it is not there; its parent must be. Errors name it.
  //
  // Of versions that come within `burst`, those that no longer fit are left out, rather than that
  // each makes room for itself: at the first look at a large root they would all be written and
  // removed again.
  static absl::StatusOr<std::unique_ptr<VersionStore>> Open(
      const std::string& directory, uint64_t bytes_max,
      absl::Duration burst = absl::ZeroDuration());

  // Keeps a version that is not there yet. What can't be written is counted.
  void Put(const std::string& sha256, const KeptVersion& version);
  // nullopt when nothing of it is kept.
  std::optional<KeptVersion> Get(const std::string& sha256);

  // A version is kept as long as somebody holds it. Versions that nobody holds when a store is
  // opened stay until DropUnheld, so that their holders can come first.
  void Hold(const std::string& sha256);
  void Release(const std::string& sha256);
  void DropUnheld();

  Stats GetStats() const;

 private:
  // A SHA-256.
  using Digest = std::array<char, 32>;
  struct Entry {
    // Bytes on disk; 0 when there is none.
    uint32_t facts_bytes = 0;
    uint32_t text_bytes = 0;
    // Grows with every version that is put; 0 where nothing is kept.
    uint64_t age = 0;
    int32_t holders = 0;
  };
  struct Kept {
    Digest digest;
    absl::Time since;
  };

  VersionStore(std::string directory, uint64_t bytes_max, absl::Duration burst)
      : directory_(std::move(directory)), bytes_max_(bytes_max), burst_(burst) {}

  static Digest DigestOf(std::string_view sha256);
  std::string PathOf(const Digest& digest, std::string_view kind) const;
  absl::Status Load();
  // Writes a file and returns its bytes, 0 when it failed.
  uint32_t Write(const std::string& path, std::string_view content)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(const Digest& digest, Entry& entry, bool facts_too)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is no room, and all that is kept came with what comes now.
  bool IsFullOfBurst() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteAge(const Digest& digest, Entry& entry, absl::Time since)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const uint64_t bytes_max_;
  const absl::Duration burst_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<Digest, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // What is kept, from the oldest.
  std::map<uint64_t, Kept> by_age_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_age_ ABSL_GUARDED_BY(mutex_) = 1;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_VERSION_STORE_H_
