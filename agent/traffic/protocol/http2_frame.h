#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_FRAME_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::traffic {

// What a client begins a connection with (RFC 9113 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113 6; others are extensions.
enum class Http2FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

// RFC 9113 4.1.
struct Http2Frame {
  static constexpr size_t kHeaderBytes = 9;
  static constexpr uint8_t kEndStream = 0x01;
  static constexpr uint8_t kAck = 0x01;
  static constexpr uint8_t kEndHeaders = 0x04;
  static constexpr uint8_t kPadded = 0x08;
  static constexpr uint8_t kPriorityFlag = 0x20;

  // `bytes` has at least kHeaderBytes.
  static Http2Frame Parse(std::string_view bytes);

  bool Has(uint8_t flag) const { return (flags & flag) != 0; }
  bool Is(Http2FrameType other) const { return type == other; }
  // Whether the frame keeps the rules of its type for stream and length (RFC 9113 6), as every
  // receiver insists. Any other type is an extension, and anything may be in it up to the length
  // that every receiver takes.
  bool IsValid() const;
  // Whether it keeps, besides, what senders do without having to: no flag without a meaning, no
  // more than the least limit of length. For telling frames from other bytes.
  bool IsUsual() const;

  uint32_t length = 0;
  Http2FrameType type = Http2FrameType::kData;
  uint8_t flags = 0;
  bool reserved = false;
  uint32_t stream = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_FRAME_H_
