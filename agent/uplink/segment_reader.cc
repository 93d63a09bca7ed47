#include "agent/uplink/segment_reader.h"

#include <algorithm>
#include <utility>

namespace skimwatch::uplink {
namespace {

constexpr size_t kReadBytes = 256 << 10;

}  // namespace

SegmentReader::SegmentReader(std::unique_ptr<File> file, const SegmentId& id)
    : file_(std::move(file)), id_(id), seed_(RecordSeed(id)) {}

absl::StatusOr<std::string_view> SegmentReader::Peek(uint64_t at, size_t size, uint64_t limit) {
  const bool is_buffered = at >= buffer_offset_ && at + size <= buffer_offset_ + buffer_.size();
  if (!is_buffered) {
    buffer_.resize(std::min<uint64_t>(std::max(size, kReadBytes), limit - at));
    buffer_offset_ = at;
    absl::StatusOr<size_t> got = file_->ReadAt(at, absl::MakeSpan(buffer_.data(), buffer_.size()));
    if (!got.ok()) {
      buffer_.clear();
      return got.status();
    }
    buffer_.resize(*got);
  }
  return std::string_view(buffer_).substr(at - buffer_offset_, size);
}

absl::StatusOr<std::optional<std::string_view>> SegmentReader::RecordAt(uint64_t at,
                                                                        uint64_t limit) {
  if (at + kRecordHeaderBytes > limit) return std::nullopt;
  absl::StatusOr<std::string_view> bytes = Peek(at, kRecordHeaderBytes, limit);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < kRecordHeaderBytes) return std::nullopt;
  const RecordHeader header = DecodeRecordHeader(*bytes);
  const size_t size = kRecordHeaderBytes + header.payload_bytes;
  if (header.severity != id_.severity || header.payload_bytes == 0 ||
      header.payload_bytes > kPayloadBytesMax || at + size > limit ||
      header.sequence <= last_sequence_ || header.sequence > kSequenceMax) {
    return std::nullopt;
  }
  bytes = Peek(at, size, limit);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < size || !RecordIsIntact(seed_, *bytes)) return std::nullopt;
  return *bytes;
}

absl::StatusOr<std::optional<SegmentReader::Record>> SegmentReader::Next(uint64_t limit) {
  // A search that found nothing below this limit would find nothing again.
  if (limit <= searched_limit_) return std::nullopt;
  for (uint64_t at = offset_; at + kRecordHeaderBytes < limit; ++at) {
    absl::StatusOr<std::optional<std::string_view>> bytes = RecordAt(at, limit);
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) continue;
    skipped_bytes_ += at - offset_;
    offset_ = at + (*bytes)->size();
    last_sequence_ = DecodeRecordHeader(**bytes).sequence;
    return Record{.sequence = last_sequence_, .payload = (*bytes)->substr(kRecordHeaderBytes)};
  }
  searched_limit_ = limit;
  return std::nullopt;
}

}  // namespace skimwatch::uplink
