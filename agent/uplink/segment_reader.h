#ifndef SKIMWATCH_AGENT_UPLINK_SEGMENT_READER_H_
#define SKIMWATCH_AGENT_UPLINK_SEGMENT_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/uplink/file_system.h"
#include "agent/uplink/spool_format.h"

namespace skimwatch::uplink {

// Reads the records of one segment in order, and steps over damage: where a record is not intact it
// looks for the next that is, byte by byte, and says how many bytes it skipped.
// Thread-compatible.
class SegmentReader {
 public:
  struct Record {
    uint64_t sequence = 0;
    // Valid until the next call.
    std::string_view payload;
  };

  SegmentReader(std::unique_ptr<File> file, const SegmentId& id);

  // The next intact record that ends at or before `limit` (an offset in the file, above which
  // nothing is known to be whole); none when there is none yet. An error is the file's.
  absl::StatusOr<std::optional<Record>> Next(uint64_t limit);

  // One past the last record that was returned.
  uint64_t offset() const { return offset_; }
  // Bytes that were skipped to reach it.
  uint64_t skipped_bytes() const { return skipped_bytes_; }

 private:
  // The `size` bytes at `at`, or fewer at the end of the file. Takes nothing from beyond `limit`:
  // what is there may yet change.
  absl::StatusOr<std::string_view> Peek(uint64_t at, size_t size, uint64_t limit);
  // The intact record that begins at `at` and ends by `limit`, header included.
  absl::StatusOr<std::optional<std::string_view>> RecordAt(uint64_t at, uint64_t limit);

  const std::unique_ptr<File> file_;
  const SegmentId id_;
  const uint32_t seed_;
  uint64_t offset_ = kSegmentHeaderBytes;
  uint64_t last_sequence_ = 0;
  uint64_t skipped_bytes_ = 0;
  // No intact record begins below this, as far as the last search with this limit saw.
  uint64_t searched_limit_ = 0;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
};

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_SEGMENT_READER_H_
