#include "agent/traffic/protocol/http_stream.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "agent/memory/wipe.h"

namespace skimwatch::traffic {
namespace {

// Of one message: what browsers and servers accept is a fraction of it.
constexpr size_t kHeadBytesMax = size_t{256} << 10;
// A buffer that grew beyond this for one head is not kept for another.
constexpr size_t kHeldBytesKept = size_t{16} << 10;

// The number that begins a chunk-size line, as libhtp reads it; nothing where there is none.
std::optional<uint64_t> ChunkSize(std::string_view line) {
  uint64_t size = 0;
  size_t digits = 0;
  for (; digits < line.size(); ++digits) {
    const char c = line[digits];
    const bool decimal = c >= '0' && c <= '9';
    const char lower = static_cast<char>(c | 0x20);
    if (!decimal && (lower < 'a' || lower > 'f')) break;
    size = size * 16 + static_cast<uint64_t>(decimal ? c - '0' : lower - 'a' + 10);
    if (size > std::numeric_limits<int32_t>::max()) return std::nullopt;
  }
  if (digits == 0) return std::nullopt;
  return size;
}

std::string_view TrimFront(std::string_view line) {
  return line.substr(std::min(line.find_first_not_of("\r\n \t\v\f"), line.size()));
}

}  // namespace

HttpStream::HttpStream(FlowContext& flow, Sender sender)
    : flow_(flow), sender_(sender), body_(flow, sender) {}

HttpStream::~HttpStream() { DropParser(); }

void HttpStream::DropParser() {
  if (parser_ != nullptr) htp_connp_destroy_all(parser_);
  parser_ = nullptr;
}

void HttpStream::Begin() {
  DropParser();
  body_.End();
  memory::Wipe(held_);
  line_begin_ = headers_begin_ = 0;
  expect_ = Expect::kHead;
}

size_t HttpStream::Data(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    switch (expect_) {
      case Expect::kHead:
        taken += TakeHead(rest);
        break;
      case Expect::kChunkSize:
      case Expect::kChunkEnd:
      case Expect::kTrailers:
        taken += TakeLine(rest);
        break;
      case Expect::kLength:
      case Expect::kChunkLength: {
        const std::string_view piece = rest.substr(0, left_);
        taken += piece.size();
        body_.Data(piece);
        Advance(piece.size());
        break;
      }
      case Expect::kUntilEnd:
        taken = bytes.size();
        body_.Data(rest);
        break;
      case Expect::kStopped:
        return taken;
    }
  }
  return taken;
}

bool HttpStream::Parse(std::string_view bytes) {
  if (parser_ == nullptr) {
    parser_ = Parsers().Take();
    htp_connp_set_user_data(parser_, this);
  }
  settled_ = is_complete_ = false;
  const int status = Feed(parser_, bytes);
  if (settled_) Release();
  if (expect_ == Expect::kStopped) {
    DropParser();
    return false;
  }
  if (expect_ != Expect::kHead) {
    // A body has begun.
    DropParser();
    return true;
  }
  if (status != HTP_STREAM_DATA) {
    Fail();
    return false;
  }
  if (held_.empty() && is_complete_) Parsers().Return(std::exchange(parser_, nullptr));
  return true;
}

void HttpStream::Fail() {
  flow_.decoder.counters.http_errors.Add();
  flow_.counters(Protocol::kHttp1).errors.Add();
  body_.End();
  Stop();
  DropParser();
}

size_t HttpStream::TakeHead(std::string_view bytes) {
  if (parser_ != nullptr || !held_.empty()) return TakeLine(bytes);
  HttpHead head;
  const size_t head_bytes = ReadPlain(bytes, head);
  if (head_bytes == 0) return TakeLine(bytes);
  plain_head_ = bytes.substr(0, head_bytes);
  headers_begin_ = head.headers_begin;
  OnPlainHead(head);
  plain_head_ = std::string_view();
  headers_begin_ = 0;
  if (expect_ == Expect::kHead) ForgetRequest();
  return head_bytes;
}

size_t HttpStream::TakeLine(std::string_view bytes) {
  const size_t feed = bytes.find('\n');
  const size_t taken = feed == std::string_view::npos ? bytes.size() : feed + 1;
  if (held_.empty() && held_.capacity() < flow_.decoder.spare_head.capacity()) {
    held_.swap(flow_.decoder.spare_head);
  }
  held_.append(bytes.substr(0, taken));
  if (held_.size() > kHeadBytesMax) {
    Fail();
    return taken;
  }
  if (feed == std::string_view::npos) return taken;
  const std::string_view line = std::string_view(held_).substr(line_begin_);
  line_begin_ = held_.size();
  ParseLine(line);
  return taken;
}

void HttpStream::ParseLine(std::string_view line) {
  switch (expect_) {
    case Expect::kChunkSize:
      return ParseChunkSize(line);
    case Expect::kChunkEnd:
      expect_ = Expect::kChunkSize;
      return TakeFraming(line, !TrimFront(line).empty());
    case Expect::kTrailers:
      if (line == "\r\n" || line == "\n") CompleteMessage();
      return;
    default:
      Parse(line);
  }
}

void HttpStream::ParseChunkSize(std::string_view line) {
  const std::string_view size_text = TrimFront(line);
  if (size_text.empty()) return TakeFraming(line, false);
  const std::optional<uint64_t> size = ChunkSize(size_text);
  if (!size.has_value()) {
    if (sender_ == Sender::kClient) return Fail();
    // As browsers do, it is taken for a body that is not chunked, and the line for a part of it.
    expect_ = Expect::kUntilEnd;
    body_.Data(line);
    memory::WipeFrom(held_, held_.size() - line.size());
    line_begin_ = held_.size();
    return;
  }
  if (*size == 0) {
    expect_ = Expect::kTrailers;
  } else {
    expect_ = Expect::kChunkLength;
    left_ = *size;
  }
  // A size has at most 8 digits and 2 bytes to end the line; more is leading zeros or an extension.
  constexpr size_t kPlainBytesMax = 10;
  TakeFraming(line, line.size() > kPlainBytesMax);
}

void HttpStream::TakeFraming(std::string_view line, bool scan) {
  if (scan) return;
  flow_.Count(flow_.ReasonOf(sender_), line.size());
  memory::WipeFrom(held_, held_.size() - line.size());
  line_begin_ = held_.size();
}

void HttpStream::Advance(uint64_t bytes) {
  left_ -= bytes;
  if (left_ > 0) return;
  if (expect_ == Expect::kChunkLength) {
    expect_ = Expect::kChunkEnd;
  } else {
    CompleteMessage();
  }
}

int HttpStream::OnComplete(htp_tx_t* /*tx*/) {
  is_complete_ = true;
  ForgetRequest();
  return HTP_OK;
}

void HttpStream::CompleteMessage() {
  body_.End();
  // Trailers and what was kept of chunk framing; `0 CRLF CRLF` leaves an empty line.
  if (!TrimFront(held_).empty()) Deliver(HeaderPart(), held_);
  Settle();
  Release();
  ForgetRequest();
  expect_ = Expect::kHead;
}

void HttpStream::Release() {
  memory::Wipe(held_);
  line_begin_ = headers_begin_ = 0;
  std::string& spare = flow_.decoder.spare_head;
  if (held_.capacity() > spare.capacity() && held_.capacity() <= kHeldBytesKept) held_.swap(spare);
  std::string().swap(held_);
}

void HttpStream::BeginBody(const HttpHead& head) {
  if (head.coding == HTP_CODING_CHUNKED) {
    expect_ = Expect::kChunkSize;
  } else if (head.coding == HTP_CODING_IDENTITY && head.length > 0) {
    expect_ = Expect::kLength;
    left_ = static_cast<uint64_t>(head.length);
  } else if (head.coding == HTP_CODING_IDENTITY && head.length < 0) {
    expect_ = Expect::kUntilEnd;
  } else {
    return;
  }
  const uint64_t body_bytes = head.length > 0 ? static_cast<uint64_t>(head.length) : 0;
  flow_.DecideMessage(sender_, request_, head.content_type, body_bytes);
  body_.Begin(
      flow_.Wants(sender_) ? PartProvenance(head.content_type) : flow_.decoder.part_provenance,
      BodyPart(),
      {.content_type = head.content_type,
       .body_bytes = body_bytes,
       .content_encoding = head.content_encoding,
       .transfer_encoding = head.transfer_encoding,
       .grpc_encoding = head.grpc_encoding});
}

const Provenance& HttpStream::PartProvenance(std::string_view content_type) {
  Provenance& provenance = flow_.decoder.part_provenance;
  flow_.Fill(sender_, request_.host, provenance);
  provenance.method = request_.method;
  provenance.path = request_.path;
  provenance.referrer = request_.referrer;
  provenance.content_type = MediaType(content_type);
  return provenance;
}

void HttpStream::Deliver(Part part, std::string_view bytes) {
  if (bytes.empty() || !flow_.Scans(sender_)) return;
  PartConsumer* consumer = flow_.decoder.sink.BeginPart(PartProvenance(std::string_view()), part);
  consumer->Data(bytes);
  consumer->End();
}

void HttpStream::Settle() {
  flow_.Count(flow_.ReasonOf(sender_), HeadBytes().size());
  settled_ = true;
}

bool HttpStream::Gap(uint64_t bytes) {
  const bool of_known_length = expect_ == Expect::kLength || expect_ == Expect::kChunkLength;
  if (expect_ == Expect::kUntilEnd) {
    body_.Gap(bytes);
    return true;
  }
  if (of_known_length && bytes > 0 && bytes <= left_) {
    body_.Gap(bytes);
    Advance(bytes);
    return true;
  }
  body_.End();
  DropParser();
  Stop();
  return false;
}

void HttpStream::End() {
  body_.End();
  if (!TrimFront(held_).empty()) Deliver(HeaderPart(), HeaderBytes());
  Settle();
  memory::Wipe(held_);
  line_begin_ = headers_begin_ = 0;
  ForgetRequest();
  DropParser();
  Stop();
}

void HttpStream::ForgetRequest() {
  // Assignment would keep the strings' memory as it is.
  for (std::string* text :
       {&request_.method, &request_.host, &request_.path, &request_.referrer,
        &flow_.decoder.part_provenance.host, &flow_.decoder.part_provenance.path,
        &flow_.decoder.part_provenance.referrer}) {
    memory::Wipe(*text);
  }
}

std::string_view HttpStream::TakeHeld() {
  line_begin_ = headers_begin_ = 0;
  memory::Wipe(taken_);
  taken_.swap(held_);
  return taken_;
}

}  // namespace skimwatch::traffic
