#include "agent/traffic/protocol/http_stream.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "agent/memory/wipe.h"

namespace skimwatch::traffic {
namespace {

// Of one message: what browsers and servers accept is a fraction of it.
constexpr size_t kHeadBytesMax = size_t{256} << 10;
// A buffer that grew beyond this for one message is not kept for the next.
constexpr size_t kHeldBytesKept = size_t{16} << 10;
// A libhtp parser keeps an entry for every message that it has seen.
constexpr uint32_t kMessagesPerParser = 256;

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

std::string_view View(const bstr* text) {
  if (text == nullptr) return std::string_view();
  return {reinterpret_cast<const char*>(bstr_ptr(text)), bstr_len(text)};
}

std::string_view HeaderValue(const htp_table_t* headers, const char* name) {
  const auto* header = static_cast<const htp_header_t*>(htp_table_get_c(headers, name));
  return header == nullptr ? std::string_view() : View(header->value);
}

HttpStream::HttpStream(FlowContext& flow, Sender sender)
    : flow_(flow), sender_(sender), body_(flow, sender) {}

HttpStream::~HttpStream() { DropParser(); }

void HttpStream::DropParser() {
  if (parser_ != nullptr) htp_connp_destroy_all(parser_);
  parser_ = nullptr;
  messages_ = 0;
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
      case Expect::kChunkSize:
      case Expect::kChunkEnd:
      case Expect::kTrailers:
        taken += TakeLine(rest);
        break;
      case Expect::kLength:
      case Expect::kChunkLength: {
        const size_t bytes_now = std::min<uint64_t>(rest.size(), left_);
        taken += bytes_now;
        ParseBody(rest.substr(0, bytes_now));
        break;
      }
      case Expect::kUntilEnd:
        taken = bytes.size();
        ParseBody(rest);
        break;
      case Expect::kStopped:
        return taken;
    }
  }
  return taken;
}

bool HttpStream::Parse(std::string_view bytes) {
  if (parser_ == nullptr) {
    parser_ = CreateParser();
    htp_connp_set_user_data(parser_, this);
    htp_connp_open(parser_, nullptr, 0, nullptr, 0, nullptr);
  }
  body_bytes_ = 0;
  settled_ = false;
  const int status = Feed(parser_, bytes);
  if (settled_) {
    memory::Wipe(held_);
    line_begin_ = headers_begin_ = 0;
    if (held_.capacity() > kHeldBytesKept) held_.shrink_to_fit();
  }
  if (expect_ == Expect::kStopped) {
    DropParser();
    return false;
  }
  if (status != HTP_STREAM_DATA) {
    Fail();
    return false;
  }
  if (expect_ == Expect::kHead && held_.empty() && messages_ >= kMessagesPerParser) DropParser();
  return true;
}

void HttpStream::Fail() {
  flow_.decoder.counters.http_errors.Add();
  flow_.counters(Protocol::kHttp1).errors.Add();
  body_.End();
  Stop();
  DropParser();
}

size_t HttpStream::TakeLine(std::string_view bytes) {
  const size_t feed = bytes.find('\n');
  const size_t taken = feed == std::string_view::npos ? bytes.size() : feed + 1;
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
      if (!Parse(line)) return;
      expect_ = Expect::kChunkSize;
      return TakeFraming(line, !TrimFront(line).empty());
    default:
      Parse(line);
  }
}

void HttpStream::ParseChunkSize(std::string_view line) {
  if (!Parse(line)) return;
  if (body_bytes_ > 0) {
    // libhtp takes it for a body that is not chunked, and the line for a part of it.
    memory::WipeFrom(held_, held_.size() - line.size());
    line_begin_ = held_.size();
    expect_ = Expect::kUntilEnd;
    return;
  }
  const std::string_view size_text = TrimFront(line);
  if (size_text.empty()) return TakeFraming(line, false);
  const std::optional<uint64_t> size = ChunkSize(size_text);
  if (!size.has_value()) {
    expect_ = Expect::kUntilEnd;
  } else if (*size == 0) {
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

void HttpStream::ParseBody(std::string_view bytes) {
  if (!Parse(bytes)) {
    held_.append(bytes.substr(std::min<uint64_t>(body_bytes_, bytes.size())));
    return;
  }
  Advance(bytes.size());
}

void HttpStream::Advance(uint64_t bytes) {
  if (expect_ != Expect::kLength && expect_ != Expect::kChunkLength) return;
  left_ -= bytes;
  if (left_ > 0) return;
  // The end of a body with a length was already reported.
  expect_ = expect_ == Expect::kChunkLength ? Expect::kChunkEnd : Expect::kStopped;
}

int HttpStream::OnBody(const htp_tx_data_t& data) {
  // The end of the body.
  if (data.data == nullptr) return HTP_OK;
  if (!body_.open()) return HTP_ERROR;
  body_bytes_ += data.len;
  if (!in_gap_) body_.Data({reinterpret_cast<const char*>(data.data), data.len});
  return HTP_OK;
}

int HttpStream::OnComplete(htp_tx_t* /*tx*/) {
  body_.End();
  // Trailers and what was kept of chunk framing; `0 CRLF CRLF` leaves an empty line.
  if (!settled_) {
    if (!TrimFront(held_).empty()) Deliver(HeaderPart(), held_);
    Settle();
  }
  ++messages_;
  ForgetRequest();
  expect_ = Expect::kHead;
  return HTP_OK;
}

void HttpStream::BeginBody(htp_transfer_coding_t coding, int64_t length,
                           const htp_table_t* headers) {
  if (coding == HTP_CODING_CHUNKED) {
    expect_ = Expect::kChunkSize;
  } else if (coding == HTP_CODING_IDENTITY && length > 0) {
    expect_ = Expect::kLength;
    left_ = static_cast<uint64_t>(length);
  } else if (coding == HTP_CODING_IDENTITY && length < 0) {
    expect_ = Expect::kUntilEnd;
  } else {
    return;
  }
  const std::string_view content_type = HeaderValue(headers, "content-type");
  body_.Begin(flow_.Scans(sender_) ? PartProvenance(content_type) : provenance_, BodyPart(),
              {.content_type = content_type,
               .content_encoding = HeaderValue(headers, "content-encoding"),
               .transfer_encoding = HeaderValue(headers, "transfer-encoding"),
               .grpc_encoding = HeaderValue(headers, "grpc-encoding")});
}

const Provenance& HttpStream::PartProvenance(std::string_view content_type) {
  flow_.Fill(sender_, request_.host, provenance_);
  provenance_.method = request_.method;
  provenance_.path = request_.path;
  provenance_.referrer = request_.referrer;
  provenance_.content_type = MediaType(content_type);
  return provenance_;
}

void HttpStream::Deliver(Part part, std::string_view bytes) {
  if (bytes.empty() || !flow_.Scans(sender_)) return;
  PartConsumer* consumer = flow_.decoder.sink.BeginPart(PartProvenance(std::string_view()), part);
  consumer->Data(bytes);
  consumer->End();
}

void HttpStream::Settle() {
  flow_.Count(flow_.ReasonOf(sender_), held_.size());
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
    // libhtp takes a gap in bodies with a length, but not in chunks; these bytes go nowhere.
    static constexpr std::array<char, 4096> kNothing{};
    in_gap_ = true;
    while (bytes > 0 && expect_ != Expect::kStopped) {
      const uint64_t bytes_now = std::min<uint64_t>(bytes, kNothing.size());
      if (Parse({kNothing.data(), bytes_now})) Advance(bytes_now);
      bytes -= bytes_now;
    }
    in_gap_ = false;
    return expect_ != Expect::kStopped;
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
  for (std::string* text : {&request_.method, &request_.host, &request_.path, &request_.referrer,
                            &provenance_.path, &provenance_.referrer}) {
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
