#include "agent/uplink/spool_format.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skimwatch::uplink {
namespace {

constexpr std::string_view kSegmentMagic = "SKWSPOOL";
constexpr std::string_view kCursorMagic = "SKWCURSR";
constexpr std::string_view kSegmentSuffix = ".segment";
constexpr size_t kHexDigits = 16;
constexpr size_t kHeaderCrcAt = kSegmentHeaderBytes - 4;
constexpr size_t kCursorCrcAt = kCursorSlotBytes - 4;
constexpr size_t kCursorHeaderBytes = 64;
constexpr size_t kCursorEpochBytes = 24;
constexpr size_t kCursorLossBytes = 32;
static_assert(kCursorHeaderBytes + kCursorEpochsMax * kCursorEpochBytes +
                  kCursorLossesMax * kCursorLossBytes <=
              kCursorCrcAt);
constexpr uint32_t kFlagClean = 1;

uint32_t Crc(uint32_t seed, std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(seed, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void Put32(uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

void Put64(uint64_t value, std::string& out) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

uint64_t Get(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  }
  return value;
}
uint32_t Get32(std::string_view bytes, size_t at) {
  return static_cast<uint32_t>(Get(bytes, at, 4));
}
uint64_t Get64(std::string_view bytes, size_t at) { return Get(bytes, at, 8); }

bool ParseHex(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string SegmentName(const SegmentId& id) {
  return absl::StrFormat("%016x-%016x-%d%s", id.number, id.epoch, id.severity,
                         std::string(kSegmentSuffix));
}

std::optional<SegmentId> ParseSegmentName(std::string_view name) {
  constexpr size_t kSize = 2 * kHexDigits + 3 + kSegmentSuffix.size();
  if (name.size() != kSize || !name.ends_with(kSegmentSuffix)) return std::nullopt;
  SegmentId id;
  const char severity = name[2 * kHexDigits + 2];
  if (name[kHexDigits] != '-' || name[2 * kHexDigits + 1] != '-' || severity < '1' ||
      severity >= static_cast<char>('0' + kSeverities) ||
      !ParseHex(name.substr(0, kHexDigits), id.number) ||
      !ParseHex(name.substr(kHexDigits + 1, kHexDigits), id.epoch)) {
    return std::nullopt;
  }
  id.severity = static_cast<uint32_t>(severity - '0');
  return id;
}

std::string EncodeSegmentHeader(const SegmentId& id, uint64_t first_sequence) {
  std::string out(kSegmentMagic);
  Put32(kSpoolFormatVersion, out);
  Put32(id.severity, out);
  Put64(id.epoch, out);
  Put64(id.number, out);
  Put64(first_sequence, out);
  out.resize(kHeaderCrcAt, '\0');
  Put32(Crc(0, out), out);
  return out;
}

absl::StatusOr<SegmentId> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return absl::DataLossError("the header is cut short");
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  if (!bytes.starts_with(kSegmentMagic)) return absl::DataLossError("the header's magic is wrong");
  if (Crc(0, bytes.substr(0, kHeaderCrcAt)) != Get32(bytes, kHeaderCrcAt)) {
    return absl::DataLossError("the header's CRC is wrong");
  }
  if (const uint32_t version = Get32(bytes, 8); version != kSpoolFormatVersion) {
    return absl::UnimplementedError(
        absl::StrCat("format version ", version, ", and this program knows ", kSpoolFormatVersion));
  }
  const SegmentId id = {
      .number = Get64(bytes, 24), .epoch = Get64(bytes, 16), .severity = Get32(bytes, 12)};
  if (id.severity == 0 || id.severity >= kSeverities) {
    return absl::DataLossError("the header's severity is not known");
  }
  return id;
}

uint32_t RecordSeed(const SegmentId& id) {
  std::string bytes;
  Put64(id.epoch, bytes);
  Put64(id.number, bytes);
  Put32(id.severity, bytes);
  return Crc(0, bytes);
}

void AppendRecord(uint32_t seed, uint64_t sequence, uint32_t severity, std::string_view payload,
                  std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + 4);
  Put32(static_cast<uint32_t>(payload.size()), out);
  Put64(sequence, out);
  Put32(severity, out);
  out.append(payload);
  const uint32_t crc = Crc(seed, std::string_view(out).substr(begin + 4));
  for (size_t i = 0; i < 4; ++i) out[begin + i] = static_cast<char>(crc >> (8 * i));
}

RecordHeader DecodeRecordHeader(std::string_view bytes) {
  return {.crc = Get32(bytes, 0),
          .payload_bytes = Get32(bytes, 4),
          .sequence = Get64(bytes, 8),
          .severity = Get32(bytes, 16)};
}

bool RecordIsIntact(uint32_t seed, std::string_view record) {
  return Crc(seed, record.substr(4)) == Get32(record, 0);
}

std::string_view LossReasonName(LossReason reason) {
  switch (reason) {
    case LossReason::kSpoolFull:
      return "spool_full";
    case LossReason::kCorruptSegment:
      return "corrupt_segment";
    case LossReason::kWriteFailed:
      return "write_failed";
    case LossReason::kTooLarge:
      return "too_large";
    case LossReason::kUnreadable:
      return "unreadable";
  }
  return "unknown";
}

std::string EncodeCursor(const Cursor& cursor) {
  const size_t epochs = std::min(cursor.epochs.size(), kCursorEpochsMax);
  const size_t losses = std::min(cursor.losses.size(), kCursorLossesMax);
  std::string out(kCursorMagic);
  Put32(kSpoolFormatVersion, out);
  Put32(cursor.clean ? kFlagClean : 0, out);
  Put64(cursor.generation, out);
  Put64(cursor.next_segment, out);
  Put32(static_cast<uint32_t>(epochs), out);
  Put32(static_cast<uint32_t>(losses), out);
  out.resize(kCursorHeaderBytes, '\0');
  for (size_t i = cursor.epochs.size() - epochs; i < cursor.epochs.size(); ++i) {
    Put64(cursor.epochs[i].epoch, out);
    Put64(cursor.epochs[i].acknowledged, out);
    Put64(cursor.epochs[i].issued, out);
  }
  for (size_t i = cursor.losses.size() - losses; i < cursor.losses.size(); ++i) {
    const Cursor::Loss& loss = cursor.losses[i];
    Put64(loss.epoch, out);
    Put64(loss.first, out);
    Put64(loss.last, out);
    Put32(static_cast<uint32_t>(loss.reason), out);
    Put32(loss.severity, out);
  }
  out.resize(kCursorCrcAt, '\0');
  Put32(Crc(0, out), out);
  return out;
}

absl::StatusOr<Cursor> DecodeCursor(std::string_view slot) {
  if (slot.size() != kCursorSlotBytes) return absl::DataLossError("the slot is cut short");
  if (!slot.starts_with(kCursorMagic)) return absl::DataLossError("the slot's magic is wrong");
  if (Crc(0, slot.substr(0, kCursorCrcAt)) != Get32(slot, kCursorCrcAt)) {
    return absl::DataLossError("the slot's CRC is wrong");
  }
  if (const uint32_t version = Get32(slot, 8); version != kSpoolFormatVersion) {
    return absl::UnimplementedError(
        absl::StrCat("format version ", version, ", and this program knows ", kSpoolFormatVersion));
  }
  Cursor cursor;
  cursor.clean = (Get32(slot, 12) & kFlagClean) != 0;
  cursor.generation = Get64(slot, 16);
  cursor.next_segment = Get64(slot, 24);
  const uint32_t epochs = Get32(slot, 32);
  const uint32_t losses = Get32(slot, 36);
  if (epochs > kCursorEpochsMax || losses > kCursorLossesMax) {
    return absl::DataLossError("the slot's counts are out of range");
  }
  size_t at = kCursorHeaderBytes;
  for (uint32_t i = 0; i < epochs; ++i, at += kCursorEpochBytes) {
    cursor.epochs.push_back({.epoch = Get64(slot, at),
                             .acknowledged = Get64(slot, at + 8),
                             .issued = Get64(slot, at + 16)});
  }
  for (uint32_t i = 0; i < losses; ++i, at += kCursorLossBytes) {
    cursor.losses.push_back({.epoch = Get64(slot, at),
                             .first = Get64(slot, at + 8),
                             .last = Get64(slot, at + 16),
                             .reason = static_cast<LossReason>(Get32(slot, at + 24)),
                             .severity = Get32(slot, at + 28)});
  }
  return cursor;
}

}  // namespace skimwatch::uplink
