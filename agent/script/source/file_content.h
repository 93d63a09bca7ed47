#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_FILE_CONTENT_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_FILE_CONTENT_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// What a file held when it was read.
struct FileContent {
  v1::ScriptVersion version;
  // Empty where the file is not to be analysed.
  std::string text;
  // Larger than may be held: hashed only.
  bool too_large = false;
  // A link that leads out of the root: hashed only, since what is outside may be anybody's.
  bool outside = false;
  // It changed while it was read, so this may be neither what was nor what is.
  bool unstable = false;
  absl::Time modified;
  // See FileReader::Stamp; 0 where it may be of other bytes than these.
  uint64_t stamp = 0;
  // Where a link leads, below the root; empty for a file of its own.
  std::string target;
  uint64_t bytes_read = 0;
};

// Reads files of one folder. Thread-compatible.
class FileReader {
 public:
  // `real_root` has no links in it.
  FileReader(std::string real_root, uint64_t text_bytes_max)
      : real_root_(std::move(real_root)), text_bytes_max_(text_bytes_max) {}

  // Reads the file at `path` below the root, through links. Never waits for a writer (FIFO) and
  // opens nothing but regular files. `known_sha256` saves the second hash where the bytes are the
  // known ones: the version then has no `integrity`. `stop` is asked now and then.
  //
  // NOT_FOUND: nothing is there, or a link that leads nowhere. FAILED_PRECONDITION: no regular
  // file. CANCELLED: stopped. PERMISSION_DENIED and others: it can't be read. All name the path.
  absl::StatusOr<FileContent> Read(const std::string& path, const std::string& known_sha256,
                                   const std::function<bool()>& stop) const;

  // What is another when the file at `path`, or the one that a link leads to, was written, replaced
  // or changed in its rights: device, inode, size and times together. 0 when there is no regular
  // file.
  uint64_t Stamp(const std::string& path) const;

 private:
  const std::string real_root_;
  const uint64_t text_bytes_max_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_FILE_CONTENT_H_
