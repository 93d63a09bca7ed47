#include "agent/traffic/source/mirror/spop_frame.h"

namespace skimwatch::traffic {
namespace {

constexpr uint32_t kFinal = 1;
constexpr uint32_t kAborted = 2;
constexpr size_t kFlagsBytes = 4;

// Types of values; the upper half of their byte has flags.
enum ValueType : uint8_t {
  kNull = 0,
  kBoolean = 1,
  kInt32 = 2,
  kUint32 = 3,
  kInt64 = 4,
  kUint64 = 5,
  kIpv4 = 6,
  kIpv6 = 7,
  kString = 8,
  kBinary = 9,
};
constexpr uint8_t kTrue = 0x10;

uint32_t BigEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

void PutBigEndian32(uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

}  // namespace

absl::StatusOr<SpopFrame> ParseSpopFrame(std::string_view bytes) {
  const absl::Status cut = absl::InvalidArgumentError("a SPOP frame that is cut");
  if (bytes.size() < 1 + kFlagsBytes) return cut;
  SpopFrame frame{.type = static_cast<SpopFrameType>(bytes.front())};
  const uint32_t flags = BigEndian32(bytes.substr(1));
  frame.is_final = (flags & kFinal) != 0;
  frame.is_aborted = (flags & kAborted) != 0;
  bytes.remove_prefix(1 + kFlagsBytes);
  SpopReader reader(bytes);
  const std::optional<uint64_t> stream = reader.Varint();
  const std::optional<uint64_t> number = reader.Varint();
  if (!stream.has_value() || !number.has_value()) return cut;
  frame.stream = *stream;
  frame.frame = *number;
  frame.payload = reader.rest();
  return frame;
}

std::optional<std::string_view> SpopReader::Take(size_t bytes) {
  if (bytes > rest_.size()) return std::nullopt;
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

std::optional<uint8_t> SpopReader::Byte() {
  const std::optional<std::string_view> byte = Take(1);
  if (!byte.has_value()) return std::nullopt;
  return static_cast<uint8_t>(byte->front());
}

std::optional<uint64_t> SpopReader::Varint() {
  // The first byte has four bits of a number beyond 239, each further one seven more.
  constexpr uint8_t kOneByteMax = 240;
  const std::optional<uint8_t> first = Byte();
  if (!first.has_value() || *first < kOneByteMax) return first;
  uint64_t value = *first;
  for (unsigned shift = 4; shift < 64; shift += 7) {
    const std::optional<uint8_t> next = Byte();
    if (!next.has_value()) return std::nullopt;
    value += uint64_t{*next} << shift;
    if (*next < 128) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> SpopReader::Text() {
  const std::optional<uint64_t> size = Varint();
  if (!size.has_value() || *size > rest_.size()) return std::nullopt;
  return Take(*size);
}

std::optional<SpopValue> SpopReader::Value() {
  const std::optional<uint8_t> type = Byte();
  if (!type.has_value()) return std::nullopt;
  switch (*type & 0x0f) {
    case kNull:
      return SpopValue();
    case kBoolean:
      return SpopValue{.kind = SpopValue::Kind::kNumber, .number = (*type & kTrue) != 0 ? 1u : 0u};
    case kInt32:
    case kUint32:
    case kInt64:
    case kUint64: {
      const std::optional<uint64_t> number = Varint();
      if (!number.has_value()) return std::nullopt;
      return SpopValue{.kind = SpopValue::Kind::kNumber, .number = *number};
    }
    case kIpv4:
    case kIpv6: {
      const std::optional<std::string_view> ip = Take((*type & 0x0f) == kIpv4 ? 4 : 16);
      if (!ip.has_value()) return std::nullopt;
      return SpopValue{.kind = SpopValue::Kind::kIp, .text = *ip};
    }
    case kString:
    case kBinary: {
      const std::optional<std::string_view> text = Text();
      if (!text.has_value()) return std::nullopt;
      return SpopValue{.kind = SpopValue::Kind::kText, .text = *text};
    }
    default:
      return std::nullopt;
  }
}

SpopWriter::SpopWriter(SpopFrameType type, uint64_t stream, uint64_t frame) {
  body_.push_back(static_cast<char>(type));
  PutBigEndian32(kFinal, body_);
  PutVarint(stream);
  PutVarint(frame);
}

SpopWriter& SpopWriter::Text(std::string_view name, std::string_view value) {
  PutText(name);
  body_.push_back(kString);
  PutText(value);
  return *this;
}

SpopWriter& SpopWriter::Number(std::string_view name, uint32_t value) {
  PutText(name);
  body_.push_back(kUint32);
  PutVarint(value);
  return *this;
}

void SpopWriter::AppendTo(std::string& out) const {
  PutBigEndian32(static_cast<uint32_t>(body_.size()), out);
  out += body_;
}

void SpopWriter::PutVarint(uint64_t value) {
  if (value < 240) {
    body_.push_back(static_cast<char>(value));
    return;
  }
  body_.push_back(static_cast<char>(value | 240));
  value = (value - 240) >> 4;
  while (value >= 128) {
    body_.push_back(static_cast<char>(value | 128));
    value = (value - 128) >> 7;
  }
  body_.push_back(static_cast<char>(value));
}

void SpopWriter::PutText(std::string_view text) {
  PutVarint(text.size());
  body_ += text;
}

}  // namespace skimwatch::traffic
