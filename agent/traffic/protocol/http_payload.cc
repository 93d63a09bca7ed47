#include "agent/traffic/protocol/http_payload.h"

#include <algorithm>
#include <utility>

#include "agent/memory/wipe.h"
#include "agent/traffic/protocol/http_request.h"
#include "agent/traffic/protocol/protocol_detector.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kGrpcPrefixBytes = 5;
constexpr size_t kGrpcEncodingBytesMax = 32;
constexpr uint8_t kGrpcCompressed = 0x01;
// gRPC-Web has its trailers in a frame of their own.
constexpr uint8_t kGrpcWebTrailers = 0x80;

}  // namespace

// Cuts a stream of events into parts, each up to and with the empty line that ends it
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
class HttpPayload::Events final : public PartConsumer {
 public:
  explicit Events(HttpPayload& owner) : owner_(owner) {}

  void Data(std::string_view bytes) override {
    while (!bytes.empty()) {
      const size_t end = EndOfEvent(bytes);
      if (part_ == nullptr) part_ = owner_.BeginPart();
      part_->Data(bytes.substr(0, end));
      if (ended_) {
        owner_.flow_.counters(owner_.flow_.protocol).messages.Add();
        CloseEvent();
      }
      bytes.remove_prefix(end);
    }
  }
  void Gap() override {
    line_is_empty_ = false;
    if (part_ != nullptr) part_->Gap();
  }
  void End() override {
    if (part_ != nullptr) part_->End();
    part_ = nullptr;
  }

 private:
  // How many bytes are of the event in progress; sets `ended_` when it ends with them.
  size_t EndOfEvent(std::string_view bytes) {
    ended_ = false;
    size_t at = 0;
    while (at < bytes.size()) {
      const size_t feed = bytes.find('\n', at);
      if (feed == std::string_view::npos) {
        line_is_empty_ = line_is_empty_ && bytes.substr(at) == "\r";
        return bytes.size();
      }
      const std::string_view line = bytes.substr(at, feed - at);
      const bool empty = line_is_empty_ && (line.empty() || line == "\r");
      line_is_empty_ = true;
      at = feed + 1;
      if (empty) {
        ended_ = true;
        return at;
      }
    }
    return at;
  }

  void CloseEvent() {
    End();
    owner_.body_.RestartLimit();
  }

  HttpPayload& owner_;
  PartConsumer* part_ = nullptr;
  // Nothing of the line has come but a carriage return.
  bool line_is_empty_ = false;
  bool ended_ = false;
};

HttpPayload::HttpPayload(FlowContext& flow, Sender sender)
    : flow_(flow), sender_(sender), body_(flow, sender) {}

HttpPayload::~HttpPayload() { End(); }

void HttpPayload::Begin(const Provenance& provenance, Part part, const HttpPayloadType& type) {
  End();
  open_ = true;
  part_ = part;
  prefix_bytes_ = 0;
  left_ = 0;
  kind_ = Kind::kPlain;
  const std::string media_type = MediaType(type.content_type);
  const bool is_plain = !type.is_tunnel && !media_type.starts_with("application/grpc") &&
                        media_type != "text/event-stream";
  has_windows_ = is_plain && type.content_encoding.empty() && flow_.Wants(sender_) &&
                 (type.body_bytes == 0 || type.body_bytes > FlowSampler::kWindowBytes);
  window_bytes_ = 0;
  if (has_windows_) provenance_ = std::make_unique<Provenance>(provenance);
  if (!flow_.Scans(sender_)) return body_.Begin(nullptr, std::string_view(), std::string_view());
  if (type.is_tunnel) {
    kind_ = Kind::kTunnel;
    provenance_ = std::make_unique<Provenance>(provenance);
  } else if (media_type.starts_with("application/grpc")) {
    kind_ = Kind::kGrpc;
    provenance_ = std::make_unique<Provenance>(provenance);
    grpc_encoding_ = type.grpc_encoding.substr(0, kGrpcEncodingBytesMax);
  } else if (media_type == "text/event-stream") {
    provenance_ = std::make_unique<Provenance>(provenance);
    events_ = std::make_unique<Events>(*this);
    body_.Begin(events_.get(), type.content_encoding, type.transfer_encoding);
  } else {
    body_.Begin(flow_.decoder.sink.BeginPart(provenance, part), type.content_encoding,
                type.transfer_encoding);
    // Of a request alone, and where nothing says that chunks were undone already.
    if (sender_ == Sender::kClient && flow_.protocol == Protocol::kHttp1 &&
        type.transfer_encoding.empty()) {
      if (provenance_ == nullptr) provenance_ = std::make_unique<Provenance>(provenance);
      chunks_.Begin();
    }
  }
}

PartConsumer* HttpPayload::BeginPart(bool repeats) {
  provenance_->seen_at = flow_.now;
  provenance_->repeats = repeats;
  return flow_.decoder.sink.BeginPart(*provenance_, part_);
}

void HttpPayload::Data(std::string_view bytes) {
  switch (kind_) {
    case Kind::kPlain:
      return PlainData(bytes);
    case Kind::kGrpc:
      return GrpcData(bytes);
    case Kind::kTunnel:
      return TunnelData(bytes);
    case Kind::kEncrypted: {
      const size_t taken = tls_->Follow(bytes);
      flow_.Count(Reason::kUndecodableEncrypted, taken);
      if (taken == bytes.size()) return;
      BeginPlain();
      return body_.Data(bytes.substr(taken));
    }
  }
}

void HttpPayload::PlainData(std::string_view bytes) {
  const auto take = [this](std::string_view piece) {
    body_.Data(piece);
    chunks_.Data(piece, [this] { return BeginPart(/*repeats=*/true); });
  };
  while (has_windows_ && window_bytes_ + bytes.size() > FlowSampler::kWindowBytes) {
    const std::string_view piece = bytes.substr(0, FlowSampler::kWindowBytes - window_bytes_);
    take(piece);
    bytes.remove_prefix(piece.size());
    window_bytes_ = 0;
    // A coding that has no label can't be taken up in its middle, and a limit holds to the end.
    has_windows_ = body_.may_continue();
    if (!has_windows_ || !flow_.NextWindow(sender_)) continue;
    const SampleDecision& decision = flow_.sample_of(sender_);
    provenance_->sampling_probability = flow_.sampling_probability * decision.probability;
    provenance_->sampling_unit = decision.unit;
    provenance_->continues = true;
    if (!decision.chosen) chunks_.End();
    body_.Continue(decision.chosen ? BeginPart() : nullptr);
  }
  window_bytes_ += bytes.size();
  take(bytes);
}

void HttpPayload::GrpcData(std::string_view bytes) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      const std::string_view piece = bytes.substr(0, left_);
      body_.Data(piece);
      left_ -= piece.size();
      bytes.remove_prefix(piece.size());
      if (left_ == 0) body_.End();
      continue;
    }
    const std::string_view piece = bytes.substr(0, kGrpcPrefixBytes - prefix_bytes_);
    std::copy(piece.begin(), piece.end(), prefix_.begin() + static_cast<ptrdiff_t>(prefix_bytes_));
    prefix_bytes_ += piece.size();
    bytes.remove_prefix(piece.size());
    const auto flags = static_cast<uint8_t>(prefix_[0]);
    if ((flags & ~(kGrpcCompressed | kGrpcWebTrailers)) != 0) {
      // No gRPC, whatever the label says.
      flow_.counters(flow_.protocol).errors.Add();
      BeginPlain();
      return body_.Data(bytes);
    }
    if (prefix_bytes_ == kGrpcPrefixBytes) BeginGrpcMessage();
  }
}

void HttpPayload::BeginGrpcMessage() {
  flow_.Count(flow_.ReasonOf(sender_), kGrpcPrefixBytes);
  flow_.counters(flow_.protocol).messages.Add();
  prefix_bytes_ = 0;
  left_ = 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i)
    left_ = left_ << 8 | static_cast<uint8_t>(prefix_[i]);
  if (left_ == 0) return;
  const bool compressed = (static_cast<uint8_t>(prefix_[0]) & kGrpcCompressed) != 0;
  body_.Begin(BeginPart(), compressed ? std::string_view(grpc_encoding_) : std::string_view(),
              std::string_view());
}

void HttpPayload::TunnelData(std::string_view bytes) {
  const std::string_view piece = bytes.substr(0, prefix_.size() - prefix_bytes_);
  std::copy(piece.begin(), piece.end(), prefix_.begin() + static_cast<ptrdiff_t>(prefix_bytes_));
  const Detection detection = DetectTls({prefix_.data(), prefix_bytes_ + piece.size()});
  if (detection == Detection::kMore && piece.size() == bytes.size()) {
    prefix_bytes_ += piece.size();
    return;
  }
  if (detection == Detection::kUnknown || detection == Detection::kMore) {
    BeginPlain();
    return body_.Data(bytes);
  }
  kind_ = Kind::kEncrypted;
  tls_ = std::make_unique<TlsRecords>();
  tls_->Begin();
  const std::string held(prefix_.data(), std::exchange(prefix_bytes_, 0));
  if (!held.empty()) Data(held);
  Data(bytes);
}

// What is held of a prefix comes first.
void HttpPayload::BeginPlain() {
  kind_ = Kind::kPlain;
  body_.Begin(BeginPart(), std::string_view(), std::string_view());
  body_.Data({prefix_.data(), std::exchange(prefix_bytes_, 0)});
}

void HttpPayload::Gap(uint64_t bytes) {
  if (!open_) return;
  switch (kind_) {
    case Kind::kPlain:
      chunks_.End();
      return body_.Gap();
    case Kind::kEncrypted:
      return tls_->Gap(bytes);
    case Kind::kTunnel:
      BeginPlain();
      return body_.Gap();
    case Kind::kGrpc:
      if (bytes > 0 && bytes < left_) {
        left_ -= bytes;
        return body_.Gap();
      }
      if (bytes > 0 && bytes == left_) {
        left_ = 0;
        return body_.End();
      }
      // Where messages begin is not known any more.
      BeginPlain();
      body_.Gap();
  }
}

void HttpPayload::End() {
  if (!std::exchange(open_, false)) return;
  if (prefix_bytes_ > 0) BeginPlain();
  body_.End();
  chunks_.End();
  events_.reset();
  tls_.reset();
  if (provenance_ != nullptr) Wipe(*provenance_);
  provenance_.reset();
}

}  // namespace skimwatch::traffic
