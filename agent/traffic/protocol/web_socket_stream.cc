#include "agent/traffic/protocol/web_socket_stream.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace skimwatch::traffic {
namespace {

constexpr uint8_t kContinuation = 0x0;
constexpr uint8_t kText = 0x1;
constexpr uint8_t kBinary = 0x2;
constexpr uint8_t kClose = 0x8;
constexpr uint8_t kPong = 0xa;
constexpr uint64_t kControlBytesMax = 125;
constexpr size_t kWindowBytes = size_t{32} << 10;
// inflate's state and its window.
constexpr uint64_t kInflateBytes = 42 << 10;
// What a sender leaves off the end of a compressed message (RFC 7692 7.2.1).
constexpr std::string_view kDeflateTail("\0\0\xff\xff", 4);

}  // namespace

WebSocketCompression WebSocketCompression::Of(std::string_view extensions, Sender sender) {
  WebSocketCompression compression;
  // The server accepts each extension once; the first permessage-deflate is it.
  for (const absl::string_view extension :
       absl::StrSplit(absl::string_view(extensions.data(), extensions.size()), ',')) {
    const std::vector<absl::string_view> parameters = absl::StrSplit(extension, ';');
    if (absl::StripAsciiWhitespace(parameters.front()) != "permessage-deflate") continue;
    compression.deflate = true;
    const absl::string_view no_takeover =
        sender == Sender::kClient ? "client_no_context_takeover" : "server_no_context_takeover";
    for (const absl::string_view parameter : parameters) {
      if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parameter), no_takeover)) {
        compression.context_takeover = false;
      }
    }
    break;
  }
  return compression;
}

// inflate over all messages of a direction.
class WebSocketStream::Inflater {
 public:
  static std::unique_ptr<Inflater> Create(DecoderMemory& memory) {
    if (!memory.Take(kInflateBytes)) return nullptr;
    auto inflater = std::unique_ptr<Inflater>(new Inflater(memory));
    // A window of the largest size undoes those of any.
    if (inflateInit2(&inflater->stream_, -MAX_WBITS) != Z_OK) return nullptr;
    inflater->open_ = true;
    return inflater;
  }
  ~Inflater() {
    if (open_) inflateEnd(&stream_);
    memory_.Return(kInflateBytes);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Something was not decoded: later messages may refer to what is not known.
  bool lost() const { return lost_; }
  // The rest of the message will not be decoded.
  void Lose() { lost_ = broken_ = true; }

  // The decoder of the next message, for HttpBody; the Inflater must outlive it.
  std::unique_ptr<ContentDecoder> BeginMessage() {
    if (std::exchange(broken_, false)) {
      // References to what was missed yield zeros.
      static constexpr std::array<Bytef, kWindowBytes> kZeros{};
      inflateReset(&stream_);
      inflateSetDictionary(&stream_, kZeros.data(), kZeros.size());
    }
    return std::make_unique<Borrowed>(*this);
  }

  // The message is over.
  void EndMessage(bool context_takeover) {
    if (!context_takeover) {
      inflateReset(&stream_);
      lost_ = broken_ = false;
      return;
    }
    if (broken_) return;
    std::string_view tail = kDeflateTail;
    std::array<char, 64> nothing;
    if (Decode(tail, absl::MakeSpan(nothing), [](std::string_view) { return true; }) ==
        ContentDecoder::Result::kBroken) {
      Lose();
    }
  }

 private:
  class Borrowed final : public ContentDecoder {
   public:
    explicit Borrowed(Inflater& owner) : owner_(owner) {}
    Result Decode(std::string_view& input, absl::Span<char> scratch, Output output) override {
      const Result result = owner_.Decode(input, scratch, output);
      // It will not be given the rest of the message.
      if (result != Result::kMore) owner_.Lose();
      return result;
    }

   private:
    Inflater& owner_;
  };

  explicit Inflater(DecoderMemory& memory) : memory_(memory) {}

  ContentDecoder::Result Decode(std::string_view& input, absl::Span<char> scratch,
                                ContentDecoder::Output output) {
    using Result = ContentDecoder::Result;
    bool more_output = false;
    while (!input.empty() || more_output) {
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      stream_.avail_in = static_cast<uInt>(input.size());
      stream_.next_out = reinterpret_cast<Bytef*>(scratch.data());
      stream_.avail_out = static_cast<uInt>(scratch.size());
      const int status = inflate(&stream_, Z_SYNC_FLUSH);
      input.remove_prefix(input.size() - stream_.avail_in);
      const size_t produced = scratch.size() - stream_.avail_out;
      if (produced > 0 && !output({scratch.data(), produced})) return Result::kStopped;
      // A final block ends the data, and another message begins with a new one (RFC 7692 7.2.3.5).
      if (status == Z_STREAM_END) {
        if (inflateReset(&stream_) != Z_OK) return Result::kBroken;
        return input.empty() ? Result::kMore : Result::kEnd;
      }
      if (status == Z_BUF_ERROR && input.empty()) break;
      if (status != Z_OK) return Result::kBroken;
      more_output = stream_.avail_out == 0;
    }
    return Result::kMore;
  }

  DecoderMemory& memory_;
  bool open_ = false;
  bool broken_ = false;
  bool lost_ = false;
  z_stream stream_ = {};
};

WebSocketStream::WebSocketStream(FlowContext& flow, Sender sender, const HttpRequest& request,
                                 const WebSocketCompression& compression)
    : flow_(flow),
      sender_(sender),
      compression_(compression),
      message_(flow, sender),
      control_(flow, sender) {
  flow.Fill(sender, request.host, provenance_);
  provenance_.protocol = Protocol::kWebSocket;
  provenance_.method = request.method;
  provenance_.path = request.path;
  provenance_.referrer = request.referrer;
  flow.counters(Protocol::kWebSocket).streams.Add();
}

WebSocketStream::~WebSocketStream() { End(); }

size_t WebSocketStream::Data(std::string_view bytes) {
  const size_t all = bytes.size();
  while (!bytes.empty()) {
    if (in_payload_) {
      const std::string_view piece = bytes.substr(0, left_);
      Payload(piece);
      left_ -= piece.size();
      bytes.remove_prefix(piece.size());
      if (left_ == 0) EndFrame();
      continue;
    }
    const std::string_view piece = bytes.substr(0, HeaderBytesNeeded() - header_bytes_);
    std::copy(piece.begin(), piece.end(), header_.begin() + static_cast<ptrdiff_t>(header_bytes_));
    header_bytes_ += piece.size();
    bytes.remove_prefix(piece.size());
    if (header_bytes_ < HeaderBytesNeeded()) continue;
    if (!TakeHeader()) {
      flow_.counters(Protocol::kWebSocket).errors.Add();
      message_.End();
      control_.End();
      return all - bytes.size();
    }
    if (left_ == 0) EndFrame();
  }
  return all;
}

size_t WebSocketStream::HeaderBytesNeeded() const {
  constexpr size_t kBytesMin = 2;
  if (header_bytes_ < kBytesMin) return kBytesMin;
  const auto second = static_cast<uint8_t>(header_[1]);
  const size_t mask_bytes = (second & 0x80) != 0 ? mask_.size() : 0;
  switch (second & 0x7f) {
    case 126:
      return kBytesMin + 2 + mask_bytes;
    case 127:
      return kBytesMin + 8 + mask_bytes;
    default:
      return kBytesMin + mask_bytes;
  }
}

bool WebSocketStream::TakeHeader() {
  const auto first = static_cast<uint8_t>(header_[0]);
  const auto second = static_cast<uint8_t>(header_[1]);
  const uint8_t opcode = first & 0x0f;
  fin_ = (first & 0x80) != 0;
  const bool rsv1 = (first & 0x40) != 0;
  masked_ = (second & 0x80) != 0;
  const size_t length_end = header_bytes_ - (masked_ ? mask_.size() : 0);
  left_ = second & 0x7f;
  if (length_end > 2) {
    left_ = 0;
    for (size_t i = 2; i < length_end; ++i) left_ = left_ << 8 | static_cast<uint8_t>(header_[i]);
  }
  const bool control = opcode >= kClose;
  const bool known = control ? opcode <= kPong : opcode <= kBinary;
  // RFC 6455 5.2 and 5.5; RFC 7692 6: the first fragment of a message has the flag of compression.
  if (!known || (first & 0x30) != 0 || left_ >> 63 != 0 ||
      (control && (!fin_ || rsv1 || left_ > kControlBytesMax)) ||
      (!control && (opcode == kContinuation) != in_message_) ||
      (rsv1 && (opcode == kContinuation || !compression_.deflate))) {
    return false;
  }
  std::copy_n(header_.begin() + static_cast<ptrdiff_t>(length_end), mask_.size(), mask_.begin());
  mask_at_ = 0;
  flow_.Count(flow_.ReasonOf(sender_), std::exchange(header_bytes_, 0));
  in_payload_ = true;
  kind_ = control ? Kind::kControl : Kind::kMessage;
  if (control) {
    BeginBody(control_, false);
  } else if (opcode != kContinuation) {
    in_message_ = true;
    message_compressed_ = rsv1;
    flow_.counters(Protocol::kWebSocket).messages.Add();
    BeginBody(message_, rsv1);
  }
  return true;
}

void WebSocketStream::BeginBody(HttpBody& body, bool compressed) {
  if (!flow_.Scans(sender_)) return body.Begin(nullptr, std::string_view(), std::string_view());
  // Nothing is said of a control frame without content.
  if (&body == &control_ && left_ == 0) return;
  provenance_.seen_at = flow_.now;
  PartConsumer* consumer = flow_.decoder.sink.BeginPart(provenance_, Part::kMessage);
  if (!compressed) return body.Begin(consumer, std::string_view(), std::string_view());
  if (inflater_ == nullptr) {
    inflater_ = Inflater::Create(flow_.decoder.content_decoding.memory);
    if (inflater_ != nullptr && compression_.joined) inflater_->Lose();
  }
  // A coding that nobody knows: for lack of memory.
  if (inflater_ == nullptr) return body.Begin(consumer, "permessage-deflate", std::string_view());
  if (inflater_->lost()) flow_.decoder.counters.bodies_undecodable.Add();
  body.Begin(consumer, inflater_->BeginMessage());
}

void WebSocketStream::Payload(std::string_view bytes) {
  HttpBody& body = kind_ == Kind::kControl ? control_ : message_;
  if (!masked_) return body.Data(bytes);
  std::array<char, 4096> plain;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, plain.size());
    for (size_t i = 0; i < piece.size(); ++i) {
      plain[i] = static_cast<char>(piece[i] ^ mask_[(mask_at_ + i) % mask_.size()]);
    }
    mask_at_ = (mask_at_ + piece.size()) % mask_.size();
    body.Data({plain.data(), piece.size()});
    bytes.remove_prefix(piece.size());
  }
}

void WebSocketStream::EndFrame() {
  in_payload_ = false;
  if (kind_ == Kind::kControl) return control_.End();
  if (!fin_) return;
  in_message_ = false;
  message_.End();
  if (message_compressed_ && inflater_ != nullptr) {
    inflater_->EndMessage(compression_.context_takeover);
  }
}

bool WebSocketStream::Gap(uint64_t bytes) {
  if (!in_payload_ || bytes == 0 || bytes > left_) {
    message_.End();
    control_.End();
    in_payload_ = in_message_ = false;
    return false;
  }
  HttpBody& body = kind_ == Kind::kControl ? control_ : message_;
  body.Gap();
  if (kind_ == Kind::kMessage && message_compressed_ && inflater_ != nullptr) inflater_->Lose();
  mask_at_ = (mask_at_ + bytes) % mask_.size();
  left_ -= bytes;
  if (left_ == 0) EndFrame();
  return true;
}

void WebSocketStream::End() {
  message_.End();
  control_.End();
  const std::string_view held = TakeHeld();
  flow_.Count(flow_.ReasonOf(sender_), held.size());
  in_payload_ = in_message_ = false;
}

}  // namespace skimwatch::traffic
