#ifndef SKIMWATCH_TESTS_AGENT_UPLINK_MEMORY_FILE_SYSTEM_H_
#define SKIMWATCH_TESTS_AGENT_UPLINK_MEMORY_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/uplink/file_system.h"

namespace skimwatch::testing {

// A disk in memory that can be filled, broken and unplugged. What was not synced is lost in a crash
// in the ways that disks lose it: whole, in part, or not at all. Thread-safe.
class MemoryFileSystem : public uplink::FileSystem {
 public:
  enum class Operation {
    kOpen,
    kRead,
    kWrite,
    kTruncate,
    kSync,
    kRename,
    kLink,
    kRemove,
    kSyncDirectory
  };
  // Asked before every operation; what is not OK is its result. A failed write has put half of its
  // bytes.
  using Fault = std::function<absl::Status(Operation, const std::string& path)>;

  absl::StatusOr<std::unique_ptr<uplink::File>> Open(const std::string& path,
                                                     OpenMode mode) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<uplink::FileLock>> Lock(const std::string& path) override;

  void SetFault(Fault fault);
  // Room for all files' bytes; a write beyond it puts what fits and is RESOURCE_EXHAUSTED.
  void SetCapacity(uint64_t bytes);

  // Cuts the power. Nothing may be open.
  void Crash(std::mt19937_64& random);

  // Files of a folder by name, and direct access to their bytes, which are durable at once.
  std::vector<std::string> Names(const std::string& directory) const;
  std::string Get(const std::string& path) const;
  void Put(const std::string& path, std::string bytes);
  uint64_t TotalBytes() const;
  uint64_t syncs() const;

 private:
  struct Node {
    std::string bytes;
    std::string durable;
  };
  using Entries = std::map<std::string, std::shared_ptr<Node>>;
  class MemoryFile;
  class MemoryLock;

  absl::Status Ask(Operation operation, const std::string& path);
  uint64_t TotalBytesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  uint64_t capacity_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<uint64_t>::max();
  uint64_t syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  Entries durable_entries_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_UPLINK_MEMORY_FILE_SYSTEM_H_
