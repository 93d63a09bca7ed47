#ifndef SKIMWATCH_AGENT_UPLINK_FILE_SYSTEM_H_
#define SKIMWATCH_AGENT_UPLINK_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace skimwatch::uplink {

// An open file. Thread-safe for calls that touch different bytes. Errors name the file:
// RESOURCE_EXHAUSTED for a full disk or quota, DATA_LOSS for an input/output error.
class File {
 public:
  virtual ~File() = default;

  // Reads up to `buffer.size()` bytes at `offset`; fewer only at the end of the file.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, absl::Span<char> buffer) = 0;
  // Writes all of `bytes`. After an error any part of them may have been written.
  virtual absl::Status WriteAt(uint64_t offset, std::string_view bytes) = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  // Returns once what was written, and the size, survive a power loss. After an error nothing is
  // known about what was written since the last success; trying again would not tell (a kernel
  // forgets pages that it failed to write).
  virtual absl::Status Sync() = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
};

// Held as long as it lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// The one seam between the spool and a disk, so that tests can fill it, break it and cut its power.
// Thread-safe. What is created, linked, renamed or removed survives a power loss only after
// SyncDirectory.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  enum class OpenMode { kRead, kReadWrite, kCreateNew };

  // kCreateNew makes a file of mode 0600 and is ALREADY_EXISTS where there is one; the others are
  // NOT_FOUND where there is none.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Mode 0700, with what is above it; OK when it is there.
  virtual absl::Status CreateDirectory(const std::string& path) = 0;
  // Names of the files in it, in no order.
  virtual absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // A second name for a file.
  virtual absl::Status Link(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // FAILED_PRECONDITION when another process, or this one, holds it.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The host's file system.
std::unique_ptr<FileSystem> MakePosixFileSystem();

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_FILE_SYSTEM_H_
