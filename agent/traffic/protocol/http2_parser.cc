#include "agent/traffic/protocol/http2_parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/protocol/hpack_decoder.h"
#include "agent/traffic/protocol/http2_frame.h"
#include "agent/traffic/protocol/http2_streams.h"

namespace skimwatch::traffic {
namespace {

// Decoded fields of one block: what browsers and servers accept is a fraction of it.
constexpr size_t kBlockBytesMax = size_t{256} << 10;
// Fields that wait for the end of their block, to be passed on with what the block says of them.
constexpr size_t kFieldsHeldMax = size_t{16} << 10;
constexpr size_t kMethodBytesMax = 24;
constexpr size_t kPriorityBytes = 5;
constexpr size_t kPromisedBytes = 4;
constexpr size_t kNoteBytesMax = 256;

// What a head says that the parser needs; each cut to a bounded length.
struct Head {
  HttpRequest request;
  std::string target;
  std::string protocol;
  std::string referer;
  std::string content_type;
  // 0 where it is not given.
  uint64_t content_length = 0;
  std::string content_encoding;
  std::string grpc_encoding;
  std::string web_socket_extensions;
  int status = 0;
  bool has_status = false;
};

std::string Cut(std::string_view text) { return std::string(text.substr(0, kNoteBytesMax)); }

// The frames of one direction.
class Http2Direction {
 public:
  Http2Direction(FlowContext& flow, Sender sender, Http2Streams& streams)
      : flow_(flow), sender_(sender), streams_(streams), hpack_(flow.decoder.parser_memory) {}
  ~Http2Direction() { End(); }
  Http2Direction(const Http2Direction&) = delete;
  Http2Direction& operator=(const Http2Direction&) = delete;

  void Begin() {
    header_bytes_ = 0;
    state_ = State::kFirst;
    block_stream_ = 0;
  }
  size_t Data(std::string_view bytes);
  bool Gap(uint64_t bytes);
  void End();
  std::string_view TakeHeld() { return {header_.data(), std::exchange(header_bytes_, 0)}; }

 private:
  enum class State : uint8_t {
    // Before the first frame, which shows whether the connection begins with it.
    kFirst,
    kPreface,
    kHeader,
    // What a frame has before its content: length of padding, priority, promised stream.
    kPrefix,
    kContent,
    kPadding,
  };

  void TakeFirst(std::string_view bytes);
  // What is held has come as far as the state needs it. False when the rules are broken.
  size_t HeldBytesNeeded() const;
  bool TakeHeld(State state);
  bool TakeHeader();
  bool TakePrefix();
  void Content(std::string_view bytes);
  void Padding(std::string_view bytes);
  // Of the state in which nothing is left to come.
  void Advance();
  void EndFrame();

  void BlockContent(std::string_view bytes);
  void AddField(const HpackDecoder::Field& field);
  void NoteField(std::string_view name, std::string_view value);
  // The stream whose head was seen before this block of it; null where this is its head, or begins
  // one that is not known.
  Http2Stream* StreamOfBlock();
  // What the block's fields are said to come from.
  const HttpRequest& RequestOfBlock();
  // What was decided on the block's stream; on a head that is not complete, by what has come of it.
  SampleDecision DecisionOfBlock();
  // Passes on the fields held so far, as the decision in force says.
  void DeliverFields();
  // The same before the end of their block, with the target.
  void DeliverFieldsEarly();
  // Ends a block whose rest does not come.
  void EndBlockEarly();
  void WipeHead();
  void EndBlock();
  void EndRequest(Http2Stream& stream);
  void EndResponse(Http2Stream& stream);
  void BeginBody(Http2Stream& stream);
  void BodyContent(std::string_view bytes);
  void EndHalf(Http2Stream& stream);
  void PassOn(std::string_view bytes);
  void ClosePassedOn();

  const Provenance& PartProvenance(const HttpRequest& request, std::string_view content_type);
  void Deliver(Part part, std::string_view bytes, const HttpRequest& request);
  Part HeaderPart() const {
    return sender_ == Sender::kClient ? Part::kRequestHeaders : Part::kResponseHeaders;
  }
  Part BodyPart() const {
    return sender_ == Sender::kClient ? Part::kRequestBody : Part::kResponseBody;
  }
  void Count(uint64_t bytes) { flow_.Count(flow_.ReasonOf(sender_), bytes); }

  FlowContext& flow_;
  const Sender sender_;
  Http2Streams& streams_;
  HpackDecoder hpack_;
  bool has_begun_ = false;
  State state_ = State::kFirst;
  // Of the preface, of a frame's header or of its prefix, as far as it has come; none of it
  // counted.
  std::array<char, 24> header_{};
  size_t header_bytes_ = 0;
  size_t prefix_bytes_ = 0;
  Http2Frame frame_;
  uint32_t content_left_ = 0;
  uint32_t padding_left_ = 0;
  // The frame's content that no parser knows, while it is passed on as a stream.
  PartConsumer* passed_on_ = nullptr;

  // The block of fields in progress: 0 when there is none.
  uint32_t block_stream_ = 0;
  uint32_t promised_stream_ = 0;
  bool block_ends_stream_ = false;
  // A gap has left its rest without meaning.
  bool block_is_lost_ = false;
  Head head_;
  std::string fields_;
  size_t field_bytes_ = 0;
  PartConsumer* fields_consumer_ = nullptr;
};

size_t Http2Direction::Data(std::string_view bytes) {
  const size_t all = bytes.size();
  while (!bytes.empty()) {
    switch (state_) {
      case State::kFirst:
        TakeFirst(bytes);
        break;
      case State::kPreface:
      case State::kHeader:
      case State::kPrefix: {
        const size_t needed = HeldBytesNeeded();
        const std::string_view piece = bytes.substr(0, needed - header_bytes_);
        std::copy(piece.begin(), piece.end(),
                  header_.begin() + static_cast<ptrdiff_t>(header_bytes_));
        header_bytes_ += piece.size();
        bytes.remove_prefix(piece.size());
        if (header_bytes_ < needed || TakeHeld(state_)) break;
        flow_.counters(Protocol::kHttp2).errors.Add();
        flow_.decoder.counters.http_errors.Add();
        // From what is held on, the bytes of this direction are a stream.
        const size_t held = std::exchange(header_bytes_, 0);
        End();
        header_bytes_ = held;
        return all - bytes.size();
      }
      case State::kContent: {
        const std::string_view piece = bytes.substr(0, content_left_);
        Content(piece);
        content_left_ -= static_cast<uint32_t>(piece.size());
        bytes.remove_prefix(piece.size());
        if (content_left_ == 0) Advance();
        break;
      }
      case State::kPadding: {
        const std::string_view piece = bytes.substr(0, padding_left_);
        Padding(piece);
        padding_left_ -= static_cast<uint32_t>(piece.size());
        bytes.remove_prefix(piece.size());
        if (padding_left_ == 0) Advance();
        break;
      }
    }
  }
  return all;
}

void Http2Direction::TakeFirst(std::string_view bytes) {
  const bool has_preface = bytes.front() == kHttp2Preface.front();
  // A server begins with SETTINGS; a connection that is joined later seldom has them.
  constexpr size_t kTypeAt = 3;
  const bool has_settings =
      bytes.size() > kTypeAt && bytes[kTypeAt] == static_cast<char>(Http2FrameType::kSettings);
  if (!has_begun_ && (sender_ == Sender::kClient ? has_preface : has_settings)) {
    hpack_.Begin();
  } else {
    flow_.Count(Reason::kUndecodableHeaderCompression, hpack_.Forget());
  }
  has_begun_ = true;
  state_ = has_preface ? State::kPreface : State::kHeader;
}

size_t Http2Direction::HeldBytesNeeded() const {
  switch (state_) {
    case State::kPreface:
      return kHttp2Preface.size();
    case State::kPrefix:
      return prefix_bytes_;
    default:
      return Http2Frame::kHeaderBytes;
  }
}

bool Http2Direction::TakeHeld(State state) {
  switch (state) {
    case State::kPreface:
      if (std::string_view(header_.data(), header_bytes_) != kHttp2Preface) return false;
      Count(std::exchange(header_bytes_, 0));
      state_ = State::kHeader;
      return true;
    case State::kPrefix:
      return TakePrefix();
    default:
      return TakeHeader();
  }
}

bool Http2Direction::TakeHeader() {
  frame_ = Http2Frame::Parse({header_.data(), Http2Frame::kHeaderBytes});
  const bool continues = frame_.Is(Http2FrameType::kContinuation);
  if (!frame_.IsValid() || continues != (block_stream_ != 0) ||
      (continues && frame_.stream != block_stream_)) {
    return false;
  }
  const bool is_headers = frame_.Is(Http2FrameType::kHeaders);
  const bool is_promise = frame_.Is(Http2FrameType::kPushPromise);
  const bool has_padding = (is_headers || is_promise || frame_.Is(Http2FrameType::kData)) &&
                           frame_.Has(Http2Frame::kPadded);
  prefix_bytes_ = (has_padding ? 1 : 0) +
                  (is_headers && frame_.Has(Http2Frame::kPriorityFlag) ? kPriorityBytes : 0) +
                  (is_promise ? kPromisedBytes : 0);
  if (prefix_bytes_ > frame_.length) return false;
  Count(std::exchange(header_bytes_, 0));
  content_left_ = frame_.length;
  padding_left_ = 0;
  if (is_headers || is_promise) {
    block_stream_ = frame_.stream;
    promised_stream_ = 0;
    block_is_lost_ = false;
    block_ends_stream_ = is_headers && frame_.Has(Http2Frame::kEndStream);
    head_ = Head();
    field_bytes_ = 0;
  }
  state_ = State::kPrefix;
  if (prefix_bytes_ == 0) {
    state_ = State::kContent;
    if (content_left_ == 0) Advance();
  }
  return true;
}

bool Http2Direction::TakePrefix() {
  content_left_ = frame_.length - static_cast<uint32_t>(prefix_bytes_);
  size_t at = 0;
  if (frame_.Has(Http2Frame::kPadded)) {
    padding_left_ = static_cast<uint8_t>(header_[at++]);
    if (padding_left_ > content_left_) return false;
    content_left_ -= padding_left_;
  }
  if (frame_.Is(Http2FrameType::kPushPromise)) {
    for (size_t i = 0; i < kPromisedBytes; ++i) {
      promised_stream_ = promised_stream_ << 8 | static_cast<uint8_t>(header_[at + i]);
    }
    promised_stream_ &= 0x7fffffff;
  }
  Count(std::exchange(header_bytes_, 0));
  state_ = State::kContent;
  if (content_left_ == 0) Advance();
  return true;
}

void Http2Direction::Advance() {
  if (state_ == State::kContent && padding_left_ > 0) {
    state_ = State::kPadding;
    return;
  }
  EndFrame();
  state_ = State::kHeader;
}

void Http2Direction::Content(std::string_view bytes) {
  switch (frame_.type) {
    case Http2FrameType::kData:
      return BodyContent(bytes);
    case Http2FrameType::kHeaders:
    case Http2FrameType::kPushPromise:
    case Http2FrameType::kContinuation:
      return BlockContent(bytes);
    case Http2FrameType::kPriority:
    case Http2FrameType::kRstStream:
    case Http2FrameType::kSettings:
    case Http2FrameType::kWindowUpdate:
      // Numbers only.
      return Count(bytes.size());
    case Http2FrameType::kPing:
    case Http2FrameType::kGoaway:
      break;
  }
  PassOn(bytes);
}

void Http2Direction::PassOn(std::string_view bytes) {
  Count(bytes.size());
  if (!flow_.Scans(sender_)) return;
  if (passed_on_ == nullptr) {
    passed_on_ = flow_.decoder.sink.BeginPart(PartProvenance(HttpRequest(), std::string_view()),
                                              Part::kStream);
  }
  passed_on_->Data(bytes);
}

void Http2Direction::ClosePassedOn() {
  if (passed_on_ != nullptr) passed_on_->End();
  passed_on_ = nullptr;
}

void Http2Direction::Padding(std::string_view bytes) {
  const bool is_zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
  if (is_zero) return Count(bytes.size());
  PassOn(bytes);
}

void Http2Direction::EndFrame() {
  ClosePassedOn();
  switch (frame_.type) {
    case Http2FrameType::kData:
      if (frame_.Has(Http2Frame::kEndStream)) {
        if (Http2Stream* stream = streams_.Find(frame_.stream); stream != nullptr) EndHalf(*stream);
      }
      return;
    case Http2FrameType::kHeaders:
    case Http2FrameType::kPushPromise:
    case Http2FrameType::kContinuation:
      if (frame_.Has(Http2Frame::kEndHeaders)) EndBlock();
      return;
    case Http2FrameType::kRstStream:
      // What the other end had sent by then comes still: a server that answered may refuse the rest
      // of a body that is on its way (RFC 9113 8.1).
      if (Http2Stream* stream = streams_.Find(frame_.stream); stream != nullptr) {
        EndHalf(*stream);
        streams_.Demote(frame_.stream);
      }
      return;
    default:
      return;
  }
}

void Http2Direction::BlockContent(std::string_view bytes) {
  if (block_is_lost_) return flow_.Count(Reason::kUndecodableHeaderCompression, bytes.size());
  const size_t lost = hpack_.Decode(bytes, [this](const HpackDecoder::Field& f) { AddField(f); });
  flow_.Count(Reason::kUndecodableHeaderCompression, lost);
}

void Http2Direction::AddField(const HpackDecoder::Field& field) {
  if (field.is_lost) {
    return flow_.Count(Reason::kUndecodableHeaderCompression, field.wire_bytes);
  }
  field_bytes_ += field.name.size() + field.value.size() + 4;
  if (field_bytes_ > kBlockBytesMax) {
    return flow_.Count(Reason::kTruncatedDecompressionLimit, field.wire_bytes);
  }
  Count(field.wire_bytes);
  NoteField(field.name, field.value);
  // Whether it is in the sample shows in the whole head.
  if (!flow_.Wants(sender_)) return;
  // One that has no place there, or is the second, is scanned with the fields.
  if (field.name == ":path" && promised_stream_ == 0 && sender_ == Sender::kClient &&
      head_.target.empty()) {
    head_.target = field.value;
    return;
  }
  fields_ += field.name;
  fields_ += ": ";
  fields_ += field.value;
  fields_ += "\r\n";
  if (fields_.size() > kFieldsHeldMax) DeliverFieldsEarly();
}

void Http2Direction::NoteField(std::string_view name, std::string_view value) {
  HttpRequest& request = head_.request;
  if (name == ":method") {
    request.method = CutName(value, kMethodBytesMax);
  } else if (name == ":path") {
    request.path = PathOfTarget(value);
  } else if (name == ":authority" || (name == "host" && request.host.empty())) {
    request.host = HostName(value);
  } else if (name == ":protocol") {
    head_.protocol = Cut(value);
  } else if (name == ":status") {
    head_.has_status = true;
    if (!absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &head_.status)) {
      head_.status = 0;
    }
  } else if (name == "origin") {
    request.referrer = OriginOf(value);
  } else if (name == "referer") {
    head_.referer = OriginOf(value);
  } else if (name == "content-type") {
    head_.content_type = Cut(value);
  } else if (name == "content-length") {
    if (!absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &head_.content_length)) {
      head_.content_length = 0;
    }
  } else if (name == "content-encoding") {
    head_.content_encoding = Cut(value);
  } else if (name == "grpc-encoding") {
    head_.grpc_encoding = Cut(value);
  } else if (name == "sec-websocket-extensions") {
    head_.web_socket_extensions = Cut(value);
  }
}

Http2Stream* Http2Direction::StreamOfBlock() {
  Http2Stream* stream = promised_stream_ != 0 ? nullptr : streams_.Find(block_stream_);
  const bool is_known =
      stream != nullptr && (sender_ == Sender::kServer || stream->half(sender_).has_head);
  return is_known ? stream : nullptr;
}

const HttpRequest& Http2Direction::RequestOfBlock() {
  const Http2Stream* stream = StreamOfBlock();
  return stream != nullptr ? stream->request : head_.request;
}

SampleDecision Http2Direction::DecisionOfBlock() {
  if (Http2Stream* stream = StreamOfBlock(); stream != nullptr) return stream->half(sender_).sample;
  SampleDecision decision = flow_.sample_of(sender_);
  if (sender_ == Sender::kServer) return decision;
  {
    const SampleScope scope(flow_, sender_, decision);
    flow_.DecideMessage(sender_, head_.request, std::string_view(), 0);
  }
  return decision;
}

void Http2Direction::DeliverFieldsEarly() {
  if (fields_.empty() && head_.target.empty()) return;
  SampleDecision decision = DecisionOfBlock();
  const SampleScope scope(flow_, sender_, decision);
  Deliver(Part::kRequestTarget, head_.target, RequestOfBlock());
  memory::Wipe(head_.target);
  DeliverFields();
}

void Http2Direction::EndBlockEarly() {
  DeliverFieldsEarly();
  if (fields_consumer_ != nullptr) fields_consumer_->End();
  fields_consumer_ = nullptr;
  block_stream_ = 0;
  WipeHead();
}

void Http2Direction::WipeHead() {
  Wipe(head_.request);
  for (std::string* text : {&head_.target, &head_.referer}) memory::Wipe(*text);
}

void Http2Direction::DeliverFields() {
  if (fields_.empty()) return;
  if (!flow_.Scans(sender_)) return memory::Wipe(fields_);
  if (fields_consumer_ == nullptr) {
    fields_consumer_ = flow_.decoder.sink.BeginPart(
        PartProvenance(RequestOfBlock(), std::string_view()), HeaderPart());
  }
  fields_consumer_->Data(fields_);
  memory::Wipe(fields_);
}

void Http2Direction::EndBlock() {
  const HpackDecoder::Rest rest = hpack_.EndBlock();
  Count(rest.read_bytes);
  flow_.Count(Reason::kUndecodableHeaderCompression, rest.undecodable_bytes);
  HttpRequest& request = head_.request;
  if (request.referrer.empty()) request.referrer = std::move(head_.referer);
  Http2Stream* stream = streams_.Get(promised_stream_ != 0 ? promised_stream_ : block_stream_);
  if (promised_stream_ != 0) {
    if (stream != nullptr) stream->request = request;
    DeliverFields();
  } else if (stream == nullptr) {
    Deliver(Part::kRequestTarget, head_.target, request);
    DeliverFields();
  } else if (sender_ == Sender::kClient) {
    EndRequest(*stream);
  } else {
    EndResponse(*stream);
  }
  if (fields_consumer_ != nullptr) fields_consumer_->End();
  fields_consumer_ = nullptr;
  block_stream_ = promised_stream_ = 0;
  WipeHead();
  for (std::string* text :
       {&flow_.decoder.part_provenance.host, &flow_.decoder.part_provenance.path,
        &flow_.decoder.part_provenance.referrer}) {
    memory::Wipe(*text);
  }
  if (fields_.capacity() > 2 * kFieldsHeldMax) fields_.shrink_to_fit();
}

void Http2Direction::EndRequest(Http2Stream& stream) {
  Http2Stream::Half& half = stream.half(sender_);
  const bool is_head = !half.has_head;
  if (is_head) {
    // What frames and fields weigh was counted before, by what holds for the connection.
    const SampleDecision decision = DecisionOfBlock();
    half.has_head = true;
    stream.request = head_.request;
    stream.is_web_socket = head_.protocol == "websocket";
    for (Http2Stream::Half& both : stream.halves) both.sample = decision;
    flow_.decoder.counters.requests.Add();
    flow_.counters(Protocol::kHttp2).messages.Add();
  }
  {
    const SampleScope scope(flow_, sender_, half.sample);
    Deliver(Part::kRequestTarget, head_.target, stream.request);
    DeliverFields();
    if (!block_ends_stream_ && is_head && !stream.is_web_socket) BeginBody(stream);
  }
  if (block_ends_stream_) EndHalf(stream);
}

void Http2Direction::EndResponse(Http2Stream& stream) {
  Http2Stream::Half& half = stream.half(sender_);
  const bool is_interim = head_.status >= 100 && head_.status < 200;
  const bool is_head = !half.has_head && !is_interim;
  if (is_head) {
    half.has_head = true;
    flow_.decoder.counters.responses.Add();
    flow_.counters(Protocol::kHttp2).messages.Add();
  }
  {
    const SampleScope scope(flow_, sender_, half.sample);
    DeliverFields();
  }
  if (block_ends_stream_) return EndHalf(stream);
  if (!is_head) return;
  if (stream.is_web_socket && head_.status >= 200 && head_.status < 300) {
    for (const Sender sender : {Sender::kClient, Sender::kServer}) {
      stream.half(sender).web_socket = std::make_unique<WebSocketStream>(
          flow_, sender, stream.request,
          WebSocketCompression::Of(head_.web_socket_extensions, sender));
    }
    return;
  }
  const SampleScope scope(flow_, sender_, half.sample);
  BeginBody(stream);
}

void Http2Direction::BeginBody(Http2Stream& stream) {
  flow_.DecideMessage(sender_, stream.request, head_.content_type, head_.content_length);
  stream.half(sender_).payload.Begin(flow_.Wants(sender_)
                                         ? PartProvenance(stream.request, head_.content_type)
                                         : flow_.decoder.part_provenance,
                                     BodyPart(),
                                     {.content_type = head_.content_type,
                                      .body_bytes = head_.content_length,
                                      .content_encoding = head_.content_encoding,
                                      .grpc_encoding = head_.grpc_encoding,
                                      .is_tunnel = stream.request.method == "CONNECT"});
}

void Http2Direction::BodyContent(std::string_view bytes) {
  Http2Stream* stream = streams_.Get(frame_.stream);
  if (stream == nullptr) return PassOn(bytes);
  Http2Stream::Half& half = stream->half(sender_);
  const SampleScope scope(flow_, sender_, half.sample);
  if (half.web_socket != nullptr) {
    const size_t taken = half.web_socket->Data(bytes);
    if (taken == bytes.size()) return;
    const std::string held(half.web_socket->TakeHeld());
    half.web_socket.reset();
    head_ = Head();
    BeginBody(*stream);
    half.payload.Data(held);
    return half.payload.Data(bytes.substr(taken));
  }
  if (!half.payload.open()) {
    // Its head was not seen.
    head_ = Head();
    BeginBody(*stream);
  }
  half.payload.Data(bytes);
}

void Http2Direction::EndHalf(Http2Stream& stream) {
  Http2Stream::Half& half = stream.half(sender_);
  half.payload.End();
  if (half.web_socket != nullptr) half.web_socket->End();
  half.ended = true;
  if (stream.halves[0].ended && stream.halves[1].ended) streams_.Remove(stream.id);
}

const Provenance& Http2Direction::PartProvenance(const HttpRequest& request,
                                                 std::string_view content_type) {
  Provenance& provenance = flow_.decoder.part_provenance;
  flow_.Fill(sender_, request.host, provenance);
  provenance.method = request.method;
  provenance.path = request.path;
  provenance.referrer = request.referrer;
  provenance.content_type = MediaType(content_type);
  return provenance;
}

void Http2Direction::Deliver(Part part, std::string_view bytes, const HttpRequest& request) {
  if (bytes.empty() || !flow_.Scans(sender_)) return;
  PartConsumer* consumer =
      flow_.decoder.sink.BeginPart(PartProvenance(request, std::string_view()), part);
  consumer->Data(bytes);
  consumer->End();
}

bool Http2Direction::Gap(uint64_t bytes) {
  const bool in_frame = state_ == State::kContent || state_ == State::kPadding;
  if (in_frame && bytes > 0 && bytes <= uint64_t{content_left_} + padding_left_) {
    const auto of_content = static_cast<uint32_t>(std::min<uint64_t>(bytes, content_left_));
    if (of_content > 0) {
      if (frame_.Is(Http2FrameType::kData)) {
        Http2Stream* stream = streams_.Find(frame_.stream);
        Http2Stream::Half* half = stream == nullptr ? nullptr : &stream->half(sender_);
        if (half != nullptr && half->web_socket != nullptr) {
          if (!half->web_socket->Gap(of_content)) half->web_socket.reset();
        } else if (half != nullptr) {
          half->payload.Gap(of_content);
        }
      } else if (block_stream_ != 0) {
        flow_.Count(Reason::kUndecodableHeaderCompression, hpack_.Forget());
        block_is_lost_ = true;
        DeliverFieldsEarly();
        if (fields_consumer_ != nullptr) fields_consumer_->Gap();
      } else if (passed_on_ != nullptr) {
        passed_on_->Gap();
      }
    }
    content_left_ -= of_content;
    padding_left_ -= static_cast<uint32_t>(bytes - of_content);
    if (content_left_ == 0 && (state_ == State::kContent || padding_left_ == 0)) Advance();
    if (state_ == State::kPadding && padding_left_ == 0) Advance();
    return true;
  }
  // Where frames begin is not known any more; the streams are, and may go on.
  flow_.Count(Reason::kUndecodableHeaderCompression, hpack_.Forget());
  streams_.ForEach([this](Http2Stream& stream) {
    Http2Stream::Half& half = stream.half(sender_);
    half.payload.Gap(0);
    half.web_socket.reset();
  });
  ClosePassedOn();
  EndBlockEarly();
  return false;
}

void Http2Direction::End() {
  if (header_bytes_ > 0) PassOn({header_.data(), std::exchange(header_bytes_, 0)});
  ClosePassedOn();
  flow_.Count(Reason::kUndecodableHeaderCompression, hpack_.Close());
  EndBlockEarly();
  streams_.ForEach([this](Http2Stream& stream) {
    Http2Stream::Half& half = stream.half(sender_);
    half.payload.End();
    half.web_socket.reset();
  });
}

class Http2Parser final : public StreamParser {
 public:
  explicit Http2Parser(FlowContext& flow)
      : streams_(flow),
        client_(flow, Sender::kClient, streams_),
        server_(flow, Sender::kServer, streams_) {}

  void Upgrade(HttpRequest request) {
    if (Http2Stream* stream = streams_.Get(1); stream != nullptr) {
      stream->request = std::move(request);
      stream->half(Sender::kClient).has_head = true;
      stream->half(Sender::kClient).ended = true;
    }
  }

  void Begin(Sender sender) override { Of(sender).Begin(); }
  size_t Data(Sender sender, std::string_view bytes) override { return Of(sender).Data(bytes); }
  bool Gap(Sender sender, uint64_t bytes) override { return Of(sender).Gap(bytes); }
  void End(Sender sender) override { Of(sender).End(); }
  std::string_view TakeHeld(Sender sender) override { return Of(sender).TakeHeld(); }
  bool follows() const override { return true; }

 private:
  Http2Direction& Of(Sender sender) { return sender == Sender::kClient ? client_ : server_; }

  Http2Streams streams_;
  Http2Direction client_;
  Http2Direction server_;
};

}  // namespace

std::unique_ptr<StreamParser> CreateHttp2Parser(FlowContext& flow) {
  return std::make_unique<Http2Parser>(flow);
}

std::unique_ptr<StreamParser> CreateUpgradedHttp2Parser(FlowContext& flow, HttpRequest request) {
  auto parser = std::make_unique<Http2Parser>(flow);
  parser->Upgrade(std::move(request));
  return parser;
}

}  // namespace skimwatch::traffic
