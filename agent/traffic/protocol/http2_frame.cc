#include "agent/traffic/protocol/http2_frame.h"

namespace skimwatch::traffic {
namespace {

// SETTINGS_MAX_FRAME_SIZE cannot be less.
constexpr uint32_t kUsualBytesMax = 1 << 14;
constexpr uint32_t kUsualStreamMax = 1 << 24;

uint32_t BigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

Http2Frame Http2Frame::Parse(std::string_view bytes) {
  const uint32_t stream = BigEndian(bytes.substr(5, 4));
  return {.length = BigEndian(bytes.substr(0, 3)),
          .type = static_cast<Http2FrameType>(bytes[3]),
          .flags = static_cast<uint8_t>(bytes[4]),
          .reserved = stream >> 31 != 0,
          .stream = stream & 0x7fffffff};
}

bool Http2Frame::IsValid() const {
  switch (type) {
    case Http2FrameType::kData:
    case Http2FrameType::kHeaders:
    case Http2FrameType::kContinuation:
      return stream != 0;
    case Http2FrameType::kPushPromise:
      return stream != 0 && length >= 4;
    case Http2FrameType::kPriority:
      return stream != 0 && length == 5;
    case Http2FrameType::kRstStream:
      return stream != 0 && length == 4;
    case Http2FrameType::kSettings:
      return stream == 0 && length % 6 == 0 && (!Has(kAck) || length == 0);
    case Http2FrameType::kPing:
      return stream == 0 && length == 8;
    case Http2FrameType::kGoaway:
      return stream == 0 && length >= 8;
    case Http2FrameType::kWindowUpdate:
      return length == 4;
  }
  return length <= kUsualBytesMax;
}

bool Http2Frame::IsUsual() const {
  if (reserved || length > kUsualBytesMax || stream > kUsualStreamMax || !IsValid()) return false;
  switch (type) {
    case Http2FrameType::kData:
      return (flags & ~(kEndStream | kPadded)) == 0;
    case Http2FrameType::kHeaders:
      return (flags & ~(kEndStream | kEndHeaders | kPadded | kPriorityFlag)) == 0 && length > 0;
    case Http2FrameType::kPushPromise:
      return (flags & ~(kEndHeaders | kPadded)) == 0;
    case Http2FrameType::kContinuation:
      return (flags & ~kEndHeaders) == 0;
    case Http2FrameType::kSettings:
    case Http2FrameType::kPing:
      return (flags & ~kAck) == 0;
    case Http2FrameType::kPriority:
    case Http2FrameType::kRstStream:
    case Http2FrameType::kGoaway:
    case Http2FrameType::kWindowUpdate:
      return flags == 0;
  }
  return false;
}

}  // namespace skimwatch::traffic
