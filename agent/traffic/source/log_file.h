#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_FILE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "agent/traffic/source/log_state.pb.h"

namespace skimwatch::traffic {

// What tells files apart, whatever they are called.
struct FileKey {
  dev_t device = 0;
  ino_t inode = 0;

  auto operator<=>(const FileKey&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const FileKey& key) {
    return H::combine(std::move(h), key.device, key.inode);
  }
};

// One file that is followed: turns what is appended to it into lines. The file is known by its
// descriptor, so that it may be renamed or deleted meanwhile. Thread-compatible.
class LogFile {
 public:
  // What the files of a LogTail share.
  struct Shared {
    MessageSink& sink;
    Coverage& coverage;
    std::string site;
    size_t line_bytes_max = 0;
    absl::Duration partial_line_wait;
    // Of lines without an end yet, in all files.
    size_t pending_bytes_max = 0;
    size_t pending_bytes = 0;
    std::vector<char> buffer;
    uint64_t lines = 0;
    uint64_t bytes = 0;
    uint64_t truncations = 0;
  };

  enum class Outcome {
    // There is more than was asked for.
    kMore,
    // Up to the end.
    kEnd,
    // The file is compressed: nothing of it was passed, or will be.
    kCompressed,
  };

  // Never waits. NOT_FOUND also for what is no regular file. `shared` must outlive the file.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path, Shared& shared);
  // Ends a part that is open. A line without its end is not passed.
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Goes on at a saved position. False, and from its start, when this is another file or was
  // truncated since.
  bool Resume(const v1::LogPosition& position);
  // Leaves out what is there.
  void SkipToEnd();
  // From when it counts as idle, before anything was read.
  void Opened(absl::Time now) { grown_at_ = now; }
  // As provenance; the path it was opened by without this.
  void set_name(const std::string& name);

  // Passes the lines of about `bytes_max` bytes at most.
  absl::StatusOr<Outcome> Read(absl::Time now, size_t bytes_max);
  // Passes a line without its end, since none will come.
  void Finish(absl::Time now);

  // All but `seen_at`.
  v1::LogPosition Position() const;

  const FileKey& key() const { return key_; }
  const std::string& name() const { return name_; }
  int fd() const { return fd_; }
  uint64_t offset() const { return offset_; }
  // Bytes that it has; 0 when that can't be told.
  uint64_t Size() const;
  bool deleted() const;
  // When bytes were last read, or the file was opened.
  absl::Time grown_at() const { return grown_at_; }

 private:
  LogFile(int fd, FileKey key, std::string path, Shared& shared);

  // Checks the beginning against what it was, and takes more of it where there is more. False when
  // it is another.
  absl::StatusOr<bool> CheckFingerprint();
  void StartAnew(absl::Time now);
  void Take(absl::Time now, std::string_view bytes);
  // A line without its terminator, which took `terminator_bytes`.
  void PassLine(absl::Time now, std::string_view line, size_t terminator_bytes);
  void PassPieces(absl::Time now, std::string_view bytes);
  // Passes what is pending while the line goes on.
  void PassPending(absl::Time now);
  void EndLine(absl::Time now, std::string_view rest, size_t terminator_bytes);
  void Count(uint64_t bytes);
  void SetPending(size_t size);

  const int fd_;
  const FileKey key_;
  std::string name_;
  Shared& shared_;
  Provenance provenance_;

  // Where the next byte is read.
  uint64_t offset_ = 0;
  // Where the line that is not over began.
  uint64_t line_begin_ = 0;
  // Its bytes before `offset_` that were not passed.
  std::string pending_;
  // Open while a line is passed in pieces.
  PartConsumer* part_ = nullptr;
  // Since when its end is missing.
  absl::Time partial_since_ = absl::InfiniteFuture();
  absl::Time grown_at_ = absl::InfinitePast();

  uint32_t fingerprint_bytes_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_FILE_H_
