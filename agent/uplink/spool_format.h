#ifndef SKIMWATCH_AGENT_UPLINK_SPOOL_FORMAT_H_
#define SKIMWATCH_AGENT_UPLINK_SPOOL_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The bytes of the spool's files. docs/spool-format.md says the same in words; all numbers are
// little-endian, all checks CRC-32 as zlib computes it.
namespace skimwatch::uplink {

inline constexpr uint32_t kSpoolFormatVersion = 1;
// One class a v1::Severity; 0 is never written.
inline constexpr uint32_t kSeverities = 6;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kRecordHeaderBytes = 20;
// A finding is at most some hundred KiB (proto/validation).
inline constexpr size_t kPayloadBytesMax = 1 << 20;
// A store keeps sequences as signed numbers.
inline constexpr uint64_t kSequenceMax = (uint64_t{1} << 63) - 1;

// What a segment is, in its name and in its header.
struct SegmentId {
  // Grows with every segment of a spool, whatever its epoch.
  uint64_t number = 0;
  uint64_t epoch = 0;
  uint32_t severity = 0;

  friend bool operator==(const SegmentId&, const SegmentId&) = default;
};

// `<number>-<epoch>-<severity>.segment`, both numbers as 16 hex digits: enough to read the records
// of a segment whose header is damaged.
std::string SegmentName(const SegmentId& id);
std::optional<SegmentId> ParseSegmentName(std::string_view name);

std::string EncodeSegmentHeader(const SegmentId& id, uint64_t first_sequence);
// DATA_LOSS: short, another magic, a wrong CRC. UNIMPLEMENTED: a newer version.
absl::StatusOr<SegmentId> DecodeSegmentHeader(std::string_view bytes);

// The CRC of every record of a segment goes on from this, so that a record of another segment, or
// one that somebody wrote into a finding's text, is not one of this.
uint32_t RecordSeed(const SegmentId& id);

void AppendRecord(uint32_t seed, uint64_t sequence, uint32_t severity, std::string_view payload,
                  std::string& out);

struct RecordHeader {
  uint32_t crc = 0;
  uint32_t payload_bytes = 0;
  uint64_t sequence = 0;
  uint32_t severity = 0;
};
// `bytes` holds at least kRecordHeaderBytes.
RecordHeader DecodeRecordHeader(std::string_view bytes);
// Whether `record`, header and payload, is whole.
bool RecordIsIntact(uint32_t seed, std::string_view record);

// Why a sequence will never be sent, as LostRange.reason has it.
enum class LossReason : uint32_t {
  kSpoolFull = 1,
  kCorruptSegment,
  kWriteFailed,
  kTooLarge,
  kUnreadable
};
std::string_view LossReasonName(LossReason reason);

// What the spool must know that its segments may not tell: kept in two slots of the file `cursor`,
// written in turn and in place, so that saving needs no room on a full disk and a torn write leaves
// the one before.
struct Cursor {
  struct Epoch {
    uint64_t epoch = 0;
    // Every sequence up to here is with the collector.
    uint64_t acknowledged = 0;
    // Every sequence up to here was given away, whether its record still exists or not.
    uint64_t issued = 0;
  };
  struct Loss {
    uint64_t epoch = 0;
    uint64_t first = 0;
    uint64_t last = 0;
    LossReason reason = LossReason::kSpoolFull;
    uint32_t severity = 0;
  };

  // Grows with every save; the slot is its parity.
  uint64_t generation = 0;
  // The last run ended by Close: no sequence beyond the last epoch's `issued` was ever given away.
  bool clean = false;
  // Above every segment's number.
  uint64_t next_segment = 1;
  // In order of age; the last is the one that is appended to.
  std::vector<Epoch> epochs;
  std::vector<Loss> losses;
};

inline constexpr size_t kCursorSlotBytes = 4096;
inline constexpr size_t kCursorEpochsMax = 32;
inline constexpr size_t kCursorLossesMax = 96;

// Exactly kCursorSlotBytes. What is beyond the limits is left out, the oldest epochs and losses
// first.
std::string EncodeCursor(const Cursor& cursor);
absl::StatusOr<Cursor> DecodeCursor(std::string_view slot);

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_SPOOL_FORMAT_H_
