#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_SPOP_FRAME_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_SPOP_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skimwatch::traffic {

// Frames and values of HAProxy's Stream Processing Offload Protocol, version 2.0 (doc/SPOE.txt of
// HAProxy, section 3). Views point into what was parsed.

enum class SpopFrameType : uint8_t {
  // Goes on with the payload of the frame before.
  kUnset = 0,
  kHaproxyHello = 1,
  kHaproxyDisconnect = 2,
  kNotify = 3,
  kAgentHello = 101,
  kAgentDisconnect = 102,
  kAck = 103,
};

struct SpopFrame {
  SpopFrameType type = SpopFrameType::kUnset;
  // The last one of a payload.
  bool is_final = false;
  // HAProxy gave the payload up.
  bool is_aborted = false;
  uint64_t stream = 0;
  uint64_t frame = 0;
  std::string_view payload;
};

// What a frame holds behind the four bytes of its length. INVALID_ARGUMENT where it is cut.
absl::StatusOr<SpopFrame> ParseSpopFrame(std::string_view bytes);

// A value with its type. Of text and addresses the bytes; of a number or a truth the number.
struct SpopValue {
  enum class Kind : uint8_t { kNull, kNumber, kIp, kText } kind = Kind::kNull;
  uint64_t number = 0;
  std::string_view text;
};

// Reads a payload from its front.
class SpopReader {
 public:
  explicit SpopReader(std::string_view payload) : rest_(payload) {}

  bool is_at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  // Nothing where the payload ends before, and for a type that is none.
  std::optional<uint8_t> Byte();
  std::optional<uint64_t> Varint();
  // A length and so many bytes.
  std::optional<std::string_view> Text();
  std::optional<SpopValue> Value();

 private:
  std::optional<std::string_view> Take(size_t bytes);

  std::string_view rest_;
};

// Makes frames to be sent.
class SpopWriter {
 public:
  SpopWriter(SpopFrameType type, uint64_t stream, uint64_t frame);

  SpopWriter& Text(std::string_view name, std::string_view value);
  SpopWriter& Number(std::string_view name, uint32_t value);
  // Appends the frame, its length before it.
  void AppendTo(std::string& out) const;

 private:
  void PutVarint(uint64_t value);
  void PutText(std::string_view text);

  std::string body_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_SPOP_FRAME_H_
