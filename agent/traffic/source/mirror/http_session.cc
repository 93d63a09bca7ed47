#include "agent/traffic/source/mirror/http_session.h"

#include <nghttp2/nghttp2.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/source/mirror/spoe_session.h"
#include "boost/beast/http/basic_parser.hpp"

namespace skimwatch::traffic {
namespace {

namespace http = boost::beast::http;

// RFC 9113, 3.4.
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Of what must come whole before it is read.
constexpr uint32_t kHeadBytesMax = 256u << 10;

// Tells where requests end; keeps nothing of them.
class BoundaryParser final : public http::basic_parser<true> {
 public:
  BoundaryParser() {
    header_limit(kHeadBytesMax);
    body_limit(UINT64_MAX);
    eager(true);
  }

  bool expects_continue() const { return expects_continue_; }

 private:
  using View = boost::beast::string_view;
  using Error = boost::beast::error_code;

  void on_request_impl(http::verb, View, View, int, Error&) override {}
  void on_response_impl(int, View, int, Error&) override {}
  void on_field_impl(http::field name, View, View value, Error&) override {
    if (name == http::field::expect) {
      expects_continue_ =
          absl::EqualsIgnoreCase(absl::string_view(value.data(), value.size()), "100-continue");
    }
  }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, Error&) override {}
  size_t on_body_impl(View body, Error&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, View, Error&) override {}
  size_t on_chunk_body_impl(uint64_t, View body, Error&) override { return body.size(); }
  void on_finish_impl(Error&) override {}

  bool expects_continue_ = false;
};

class Http1Session final : public serving::Session {
 public:
  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    // The parser wants a head in one piece; what it left waits here.
    pending_ += bytes;
    absl::Status status = Parse(answer);
    if (!status.ok()) {
      absl::StrAppend(&answer,
                      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                      "Content-Length: 0\r\n\r\n");
    }
    return status;
  }
  bool done() const override { return done_; }
  void Close() override {}
  uint64_t requests() const override { return requests_; }

 private:
  absl::Status Parse(std::string& answer) {
    size_t taken = 0;
    while (taken < pending_.size() && !done_) {
      if (parser_ == nullptr) parser_ = std::make_unique<BoundaryParser>();
      boost::beast::error_code error;
      const size_t count = parser_->put(
          boost::asio::buffer(pending_.data() + taken, pending_.size() - taken), error);
      taken += count;
      if (parser_->is_header_done() && !continued_) {
        continued_ = true;
        if (parser_->expects_continue()) absl::StrAppend(&answer, "HTTP/1.1 100 Continue\r\n\r\n");
      }
      if (error == http::error::need_more) break;
      if (error) {
        return absl::InvalidArgumentError(absl::StrCat("not HTTP: ", error.message()));
      }
      if (!parser_->is_done()) {
        if (count == 0) break;
        continue;
      }
      ++requests_;
      done_ = !parser_->keep_alive();
      absl::StrAppend(&answer, "HTTP/1.1 204 No Content\r\n", done_ ? "Connection: close\r\n" : "",
                      "\r\n");
      parser_.reset();
      continued_ = false;
    }
    // The parser limits a head, but neither the line of a chunk's size nor trailers.
    if (!done_ && pending_.size() - taken > kHeadBytesMax) {
      return absl::InvalidArgumentError("a chunk's size or the trailers have no end");
    }
    std::copy(pending_.begin() + static_cast<ptrdiff_t>(taken), pending_.end(), pending_.begin());
    memory::WipeFrom(pending_, pending_.size() - taken);
    return absl::OkStatus();
  }

  std::string pending_;
  std::unique_ptr<BoundaryParser> parser_;
  bool continued_ = false;
  bool done_ = false;
  uint64_t requests_ = 0;
};

class Http2Session final : public serving::Session {
 public:
  Http2Session() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Http2Session::OnFrame);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 256},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 20},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kHeadBytesMax}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 16 << 20);
  }
  ~Http2Session() override { nghttp2_session_del(session_); }

  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    const ssize_t taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    for (;;) {
      const uint8_t* data = nullptr;
      const ssize_t count = nghttp2_session_mem_send(session_, &data);
      if (count <= 0) break;
      answer.append(reinterpret_cast<const char*>(data), static_cast<size_t>(count));
    }
    if (taken < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("not HTTP/2: ", nghttp2_strerror(static_cast<int>(taken))));
    }
    return absl::OkStatus();
  }
  bool done() const override {
    return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  }
  void Close() override {}
  uint64_t requests() const override { return requests_; }

 private:
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    ++static_cast<Http2Session*>(user_data)->requests_;
    static constexpr std::string_view kName = ":status";
    static constexpr std::string_view kValue = "204";
    nghttp2_nv status = {};
    status.name = reinterpret_cast<uint8_t*>(const_cast<char*>(kName.data()));
    status.value = reinterpret_cast<uint8_t*>(const_cast<char*>(kValue.data()));
    status.namelen = kName.size();
    status.valuelen = kValue.size();
    return nghttp2_submit_response(session, frame->hd.stream_id, &status, 1, nullptr);
  }

  nghttp2_session* session_ = nullptr;
  uint64_t requests_ = 0;
};

// Takes the connection until its first bytes show the version.
class HttpSession final : public serving::Session {
 public:
  HttpSession(CopyQueue& queue, ByteFlow info) : queue_(queue), info_(std::move(info)) {}

  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    if (bytes.empty()) return absl::OkStatus();
    if (session_ == nullptr && start_.empty() && bytes.front() == kSpopBegin) {
      session_ = CreateSpoeSession(queue_, info_);
    } else if (session_ == nullptr && !flow_.has_value()) {
      flow_ = queue_.Open(info_);
    }
    if (flow_.has_value()) queue_.Data(*flow_, /*from_client=*/true, bytes);
    if (session_ != nullptr) return session_->Receive(bytes, answer);
    start_ += bytes;
    if (start_.size() < kHttp2Preface.size() && kHttp2Preface.starts_with(start_)) {
      return absl::OkStatus();
    }
    if (start_.starts_with(kHttp2Preface)) {
      session_ = std::make_unique<Http2Session>();
    } else {
      session_ = std::make_unique<Http1Session>();
    }
    return session_->Receive(std::exchange(start_, std::string()), answer);
  }
  bool done() const override { return session_ != nullptr && session_->done(); }
  void Close() override {
    if (flow_.has_value()) queue_.End(*flow_);
    if (session_ != nullptr) session_->Close();
  }
  uint64_t requests() const override { return session_ == nullptr ? 0 : session_->requests(); }
  uint64_t requests_cut() const override {
    return session_ == nullptr ? 0 : session_->requests_cut();
  }

 private:
  CopyQueue& queue_;
  const ByteFlow info_;
  // Of all that comes in HTTP.
  std::optional<uint64_t> flow_;
  std::string start_;
  std::unique_ptr<serving::Session> session_;
};

}  // namespace

std::unique_ptr<serving::Session> CreateHttpSession(CopyQueue& queue, ByteFlow info) {
  return std::make_unique<HttpSession>(queue, std::move(info));
}

}  // namespace skimwatch::traffic
