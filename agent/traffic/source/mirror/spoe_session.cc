#include "agent/traffic/source/mirror/spoe_session.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/ip_address.h"
#include "agent/traffic/source/mirror/http_head.h"
#include "agent/traffic/source/mirror/spop_frame.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kLengthBytes = 4;
// HAProxy sends frames of at most its buffer (16 KiB by default); SPOP wants 256 bytes at least.
constexpr size_t kFrameBytesMax = 1u << 20;
constexpr size_t kFrameBytesMin = 256;
// A payload put together of its fragments.
constexpr size_t kPayloadBytesMax = 4u << 20;

std::string AddressOf(std::string_view ip) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(ip.data());
  return (ip.size() == 4 ? IpAddress::V4(bytes) : IpAddress::V6(bytes)).ToString();
}

class SpoeSession final : public serving::Session {
 public:
  SpoeSession(CopyQueue& queue, ByteFlow info) : queue_(queue), info_(std::move(info)) {}

  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    pending_ += bytes;
    std::string_view rest = pending_;
    absl::Status status;
    while (status.ok() && !done_ && rest.size() >= kLengthBytes) {
      size_t size = 0;
      for (size_t i = 0; i < kLengthBytes; ++i) size = size << 8 | static_cast<uint8_t>(rest[i]);
      if (size > kFrameBytesMax) {
        status = absl::InvalidArgumentError("a SPOP frame that is larger than was agreed on");
        break;
      }
      if (rest.size() < kLengthBytes + size) break;
      status = TakeFrame(rest.substr(kLengthBytes, size), answer);
      rest.remove_prefix(kLengthBytes + size);
    }
    if (!status.ok()) Disconnect(answer);
    std::string left(rest);
    memory::Wipe(pending_);
    pending_ = std::move(left);
    return status;
  }
  bool done() const override { return done_; }
  void Close() override {
    memory::Wipe(pending_);
    memory::Wipe(payload_);
    memory::Wipe(request_);
  }
  uint64_t requests() const override { return requests_; }
  uint64_t requests_cut() const override { return requests_cut_; }

 private:
  absl::Status TakeFrame(std::string_view bytes, std::string& answer) {
    absl::StatusOr<SpopFrame> frame = ParseSpopFrame(bytes);
    if (!frame.ok()) return frame.status();
    if (frame->type == SpopFrameType::kHaproxyHello) return TakeHello(frame->payload, answer);
    if (!said_hello_) return absl::InvalidArgumentError("SPOP without a HELLO");
    switch (frame->type) {
      case SpopFrameType::kHaproxyDisconnect:
        Disconnect(answer);
        return absl::OkStatus();
      case SpopFrameType::kNotify:
        fragments_of_ = std::pair(frame->stream, frame->frame);
        memory::Wipe(payload_);
        break;
      case SpopFrameType::kUnset:
        if (fragments_of_ != std::pair(frame->stream, frame->frame)) {
          return absl::InvalidArgumentError("a SPOP fragment of no frame");
        }
        break;
      default:
        // To be passed over (3.2: unknown frames are skipped).
        return absl::OkStatus();
    }
    if (frame->is_aborted) {
      fragments_of_.reset();
      return absl::OkStatus();
    }
    if (payload_.size() + frame->payload.size() > kPayloadBytesMax) {
      return absl::InvalidArgumentError("the fragments of a SPOP frame have no end");
    }
    if (!frame->is_final) {
      payload_ += frame->payload;
      return absl::OkStatus();
    }
    fragments_of_.reset();
    absl::Status status;
    if (payload_.empty()) {
      status = TakeMessages(frame->payload);
    } else {
      payload_ += frame->payload;
      status = TakeMessages(payload_);
      memory::Wipe(payload_);
    }
    if (!status.ok()) return status;
    SpopWriter(SpopFrameType::kAck, frame->stream, frame->frame).AppendTo(answer);
    return absl::OkStatus();
  }

  absl::Status TakeHello(std::string_view payload, std::string& answer) {
    SpopReader reader(payload);
    uint64_t frame_bytes_max = kFrameBytesMax;
    bool is_version_2 = false;
    while (!reader.is_at_end()) {
      const std::optional<std::string_view> name = reader.Text();
      const std::optional<SpopValue> value = name.has_value() ? reader.Value() : std::nullopt;
      if (!value.has_value()) return absl::InvalidArgumentError("a SPOP HELLO that is cut");
      if (*name == "max-frame-size") frame_bytes_max = std::min(frame_bytes_max, value->number);
      // A list, such as `1.0, 2.0`.
      if (*name == "supported-versions") {
        is_version_2 = value->text.find("2.0") != std::string_view::npos;
      }
      if (*name == "healthcheck") done_ = value->number != 0;
    }
    if (!is_version_2) return absl::InvalidArgumentError("a SPOP HELLO without version 2.0");
    if (frame_bytes_max < kFrameBytesMin) {
      return absl::InvalidArgumentError("a SPOP HELLO with a max-frame-size below 256");
    }
    said_hello_ = true;
    SpopWriter(SpopFrameType::kAgentHello, 0, 0)
        .Text("version", "2.0")
        .Number("max-frame-size", static_cast<uint32_t>(frame_bytes_max))
        .Text("capabilities", "fragmentation,pipelining")
        .AppendTo(answer);
    return absl::OkStatus();
  }

  absl::Status TakeMessages(std::string_view payload) {
    SpopReader reader(payload);
    while (!reader.is_at_end()) {
      const std::optional<std::string_view> name = reader.Text();
      const std::optional<uint8_t> count = name.has_value() ? reader.Byte() : std::nullopt;
      if (!count.has_value()) return absl::InvalidArgumentError("a SPOP message that is cut");
      Request request;
      for (uint8_t i = 0; i < *count; ++i) {
        const std::optional<std::string_view> argument = reader.Text();
        const std::optional<SpopValue> value = argument.has_value() ? reader.Value() : std::nullopt;
        if (!value.has_value()) return absl::InvalidArgumentError("a SPOP message that is cut");
        request.Take(*argument, *value);
      }
      if (request.method.empty() || request.path.empty()) {
        return absl::InvalidArgumentError(
            "a SPOE message without `method` and `path`: see deploy/mirror/haproxy-spoe.conf");
      }
      Pass(request);
    }
    return absl::OkStatus();
  }

  // What a message tells of a request.
  struct Request {
    void Take(std::string_view name, const SpopValue& value) {
      if (name == "method") method = value.text;
      if (name == "path") path = value.text;
      if (name == "headers") headers = value.text;
      if (name == "body") body = value.text;
      if (name == "body_size") body_size = value.number;
      if (name == "client" && value.kind == SpopValue::Kind::kIp) client = value.text;
    }

    std::string_view method;
    std::string_view path;
    std::string_view headers;
    std::string_view body;
    uint64_t body_size = 0;
    std::string_view client;
  };

  void Pass(const Request& request) {
    ByteFlow info = info_;
    if (!request.client.empty()) info.client = {.ip = AddressOf(request.client)};
    const uint64_t size =
        std::max<uint64_t>(request.body.size(), std::min(request.body_size, kBodyBytesMax));
    request_ =
        absl::StrCat(std::string(request.method), " ", std::string(request.path), " HTTP/1.1\r\n");
    request_ += WithFraming(request.headers,
                            size == 0 ? std::string() : absl::StrCat("Content-Length: ", size));
    request_ += request.body;
    const uint64_t flow = queue_.Open(std::move(info));
    queue_.Data(flow, /*from_client=*/true, request_);
    queue_.Missing(flow, /*from_client=*/true, size - request.body.size());
    queue_.End(flow);
    memory::Wipe(request_);
    ++requests_;
    if (size > request.body.size()) ++requests_cut_;
  }

  void Disconnect(std::string& answer) {
    SpopWriter(SpopFrameType::kAgentDisconnect, 0, 0)
        .Number("status-code", 0)
        .Text("message", "")
        .AppendTo(answer);
    done_ = true;
  }

  // Beyond what any connection carries; sums of it stay far from 2^64.
  static constexpr uint64_t kBodyBytesMax = uint64_t{1} << 48;

  CopyQueue& queue_;
  const ByteFlow info_;
  bool said_hello_ = false;
  bool done_ = false;
  // What came of a frame that is not complete.
  std::string pending_;
  // Stream and frame of the fragments, and what came of their payload.
  std::optional<std::pair<uint64_t, uint64_t>> fragments_of_;
  std::string payload_;
  std::string request_;
  uint64_t requests_ = 0;
  uint64_t requests_cut_ = 0;
};

}  // namespace

std::unique_ptr<serving::Session> CreateSpoeSession(CopyQueue& queue, ByteFlow info) {
  return std::make_unique<SpoeSession>(queue, std::move(info));
}

}  // namespace skimwatch::traffic
