#include "agent/script/source/browser_report/report_session.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"
#include "boost/beast/http/basic_parser.hpp"

namespace skimwatch::script {
namespace {

namespace http = boost::beast::http;

// Of what must come whole before it is read.
constexpr uint32_t kHeadBytesMax = 16u << 10;
// An address, a list of which the last one counts, a user agent: longer ones are cut.
constexpr size_t kHeaderBytesMax = 1024;

// For any origin: a report says nothing about who may read what, and brings no credentials.
constexpr std::string_view kCors = "Access-Control-Allow-Origin: *\r\n";
constexpr std::string_view kPreflight =
    "HTTP/1.1 204 No Content\r\n"
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: POST\r\n"
    "Access-Control-Allow-Headers: content-type\r\n"
    "Access-Control-Max-Age: 86400\r\n";

struct Answer {
  std::string_view status;
  std::string_view headers = "";
};

Answer AnswerOf(RequestOutcome outcome) {
  switch (outcome) {
    case RequestOutcome::kAccepted:
    case RequestOutcome::kPreflight:
      return {"204 No Content"};
    case RequestOutcome::kBadMethod:
      return {"405 Method Not Allowed", "Allow: POST, OPTIONS\r\n"};
    case RequestOutcome::kBadContent:
      return {"415 Unsupported Media Type"};
    case RequestOutcome::kTooLarge:
      return {"413 Payload Too Large"};
    case RequestOutcome::kClientLimit:
    case RequestOutcome::kTotalLimit:
      return {"429 Too Many Requests", "Retry-After: 60\r\n"};
    case RequestOutcome::kQueueFull:
      return {"503 Service Unavailable", "Retry-After: 60\r\n"};
    case RequestOutcome::kBadRequest:
    case RequestOutcome::kCount:
      break;
  }
  return {"400 Bad Request"};
}

// What browsers send reports as, now and formerly.
bool IsReportType(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  absl::StripTrailingAsciiWhitespace(&type);
  absl::AsciiStrToLower(&type);
  return type == "application/reports+json" || type == "application/csp-report" ||
         type == "application/json" || type == "text/plain";
}

// One request.
class Parser final : public http::basic_parser<true> {
 public:
  // Of the body no more than `keep_max` bytes are kept.
  Parser(const std::string& client_header, size_t keep_max)
      : client_header_(client_header), keep_max_(keep_max) {
    header_limit(kHeadBytesMax);
    body_limit(UINT64_MAX);
    eager(true);
  }

  http::verb method() const { return method_; }
  bool expects_continue() const { return expects_continue_; }
  bool is_encoded() const { return is_encoded_; }
  const std::string& content_type() const { return content_type_; }
  const std::string& client() const { return client_; }
  const std::string& user_agent() const { return user_agent_; }
  std::string& body() { return body_; }
  uint64_t body_bytes() const { return body_bytes_; }

 private:
  using View = boost::beast::string_view;
  using Error = boost::beast::error_code;

  static std::string Cut(View value) {
    return std::string(value.data(), std::min(value.size(), kHeaderBytesMax));
  }

  size_t Take(View bytes) {
    body_bytes_ += bytes.size();
    if (body_bytes_ <= keep_max_) body_.append(bytes.data(), bytes.size());
    return bytes.size();
  }

  void on_request_impl(http::verb method, View, View, int, Error&) override { method_ = method; }
  void on_response_impl(int, View, int, Error&) override {}
  void on_field_impl(http::field field, View name, View value, Error&) override {
    switch (field) {
      case http::field::expect:
        expects_continue_ =
            absl::EqualsIgnoreCase(absl::string_view(value.data(), value.size()), "100-continue");
        break;
      case http::field::content_type:
        content_type_ = Cut(value);
        break;
      case http::field::content_encoding:
        is_encoded_ =
            !absl::EqualsIgnoreCase(absl::string_view(value.data(), value.size()), "identity");
        break;
      case http::field::user_agent:
        user_agent_ = Cut(value);
        break;
      default:
        break;
    }
    if (absl::EqualsIgnoreCase(absl::string_view(name.data(), name.size()), client_header_)) {
      // The nearest proxy appends what it saw; what stands before, the client may have written.
      const size_t comma = value.rfind(',');
      if (comma != View::npos) value.remove_prefix(comma + 1);
      client_ = Cut(value);
      absl::StripAsciiWhitespace(&client_);
    }
  }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, Error&) override {}
  size_t on_body_impl(View bytes, Error&) override { return Take(bytes); }
  void on_chunk_header_impl(uint64_t, View, Error&) override {}
  size_t on_chunk_body_impl(uint64_t, View bytes, Error&) override { return Take(bytes); }
  void on_finish_impl(Error&) override {}

  const std::string& client_header_;
  const size_t keep_max_;
  http::verb method_ = http::verb::unknown;
  bool expects_continue_ = false;
  bool is_encoded_ = false;
  std::string content_type_;
  std::string client_;
  std::string user_agent_;
  std::string body_;
  uint64_t body_bytes_ = 0;
};

class ReportSession final : public serving::Session {
 public:
  ReportSession(ReportIntake& intake, ReportSessionOptions options, const serving::Peer& peer)
      : intake_(intake), options_(std::move(options)), peer_(peer) {}
  ~ReportSession() override { memory::Wipe(pending_); }

  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    // The parser wants a head in one piece; what it left waits here.
    pending_ += bytes;
    absl::Status status = Parse(answer);
    if (!status.ok()) {
      intake_.Count(RequestOutcome::kBadRequest);
      done_ = true;
      Append(RequestOutcome::kBadRequest, answer);
    }
    return status;
  }
  bool done() const override { return done_; }
  void Close() override {
    if (parser_.has_value()) memory::Wipe(parser_->body());
  }
  uint64_t requests() const override { return requests_; }

 private:
  absl::Status Parse(std::string& answer) {
    size_t taken = 0;
    while (taken < pending_.size() && !done_) {
      if (!parser_.has_value()) parser_.emplace(options_.client_header, options_.body_bytes_max);
      boost::beast::error_code error;
      const size_t count = parser_->put(
          boost::asio::buffer(pending_.data() + taken, pending_.size() - taken), error);
      taken += count;
      if (error && error != http::error::need_more) {
        return absl::InvalidArgumentError(absl::StrCat("not HTTP: ", error.message()));
      }
      if (parser_->is_header_done() && !outcome_.has_value()) TakeHead(answer);
      if (outcome_ == RequestOutcome::kAccepted &&
          parser_->body_bytes() > options_.body_bytes_max) {
        outcome_ = RequestOutcome::kTooLarge;
      }
      if (outcome_ == RequestOutcome::kTooLarge) {
        // Not worth reading past.
        done_ = true;
        Finish(answer);
        break;
      }
      if (!parser_->is_done()) {
        if (error == http::error::need_more || count == 0) break;
        continue;
      }
      done_ = !parser_->keep_alive();
      if (outcome_ == RequestOutcome::kAccepted) {
        outcome_ = intake_.Submit(reporter_, parser_->body());
      }
      Finish(answer);
    }
    // The parser limits a head, but neither the line of a chunk's size nor trailers.
    if (!done_ && pending_.size() - taken > kHeadBytesMax) {
      return absl::InvalidArgumentError("a chunk's size or the trailers have no end");
    }
    std::copy(pending_.begin() + static_cast<ptrdiff_t>(taken), pending_.end(), pending_.begin());
    memory::WipeFrom(pending_, pending_.size() - taken);
    return absl::OkStatus();
  }

  void TakeHead(std::string& answer) {
    outcome_ = OutcomeOfHead();
    if (outcome_ == RequestOutcome::kAccepted && parser_->expects_continue()) {
      absl::StrAppend(&answer, "HTTP/1.1 100 Continue\r\n\r\n");
    }
  }

  RequestOutcome OutcomeOfHead() {
    if (parser_->method() == http::verb::options) return RequestOutcome::kPreflight;
    if (parser_->method() != http::verb::post) return RequestOutcome::kBadMethod;
    const bool is_believed = peer_.is_private && !parser_->client().empty();
    reporter_ =
        intake_.Identify(is_believed ? parser_->client() : peer_.address, parser_->user_agent());
    const RequestOutcome admitted = intake_.Admit(reporter_);
    if (admitted != RequestOutcome::kAccepted) return admitted;
    if (parser_->is_encoded() || !IsReportType(parser_->content_type())) {
      return RequestOutcome::kBadContent;
    }
    const boost::optional<uint64_t> length = parser_->content_length();
    if (length.has_value() && *length > options_.body_bytes_max) return RequestOutcome::kTooLarge;
    return RequestOutcome::kAccepted;
  }

  void Finish(std::string& answer) {
    ++requests_;
    intake_.Count(*outcome_);
    Append(*outcome_, answer);
    memory::Wipe(parser_->body());
    parser_.reset();
    outcome_.reset();
  }

  void Append(RequestOutcome outcome, std::string& answer) const {
    if (outcome == RequestOutcome::kPreflight) {
      answer += kPreflight;
    } else {
      const Answer wanted = AnswerOf(outcome);
      answer += "HTTP/1.1 ";
      answer += wanted.status;
      answer += "\r\n";
      answer += kCors;
      answer += wanted.headers;
      // A 204 has none (RFC 9110, 8.6).
      if (outcome != RequestOutcome::kAccepted) answer += "Content-Length: 0\r\n";
    }
    if (done_) answer += "Connection: close\r\n";
    answer += "\r\n";
  }

  ReportIntake& intake_;
  const ReportSessionOptions options_;
  const serving::Peer peer_;
  std::string pending_;
  std::optional<Parser> parser_;
  // Of the request whose head has come.
  std::optional<RequestOutcome> outcome_;
  Reporter reporter_;
  bool done_ = false;
  uint64_t requests_ = 0;
};

}  // namespace

std::string_view RequestOutcomeName(RequestOutcome outcome) {
  static constexpr std::array<std::string_view, static_cast<size_t>(RequestOutcome::kCount)>
      kNames = {"accepted",  "preflight",    "bad_request", "bad_method", "bad_content",
                "too_large", "client_limit", "total_limit", "queue_full"};
  return outcome < RequestOutcome::kCount ? kNames[static_cast<size_t>(outcome)] : "unknown";
}

std::unique_ptr<serving::Session> CreateReportSession(ReportIntake& intake,
                                                      const ReportSessionOptions& options,
                                                      const serving::Peer& peer) {
  return std::make_unique<ReportSession>(intake, options, peer);
}

}  // namespace skimwatch::script
