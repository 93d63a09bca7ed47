#include "agent/traffic/protocol/http_parser.h"

#include <htp/htp.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/protocol/http2_parser.h"
#include "agent/traffic/protocol/http_stream.h"
#include "agent/traffic/protocol/protocol_detector.h"
#include "agent/traffic/protocol/request_queue.h"
#include "agent/traffic/protocol/web_socket_parser.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kMethodBytesMax = 24;
constexpr size_t kExtensionsBytesMax = 1024;
constexpr int kStatusSwitchingProtocols = 101;
constexpr int kStatusNoContent = 204;
constexpr int kStatusNotModified = 304;

// What the two directions know of each other.
struct Exchange {
  // Waiting for their answers.
  RequestQueue unanswered;
  // Answers were missed; which requests are still without one is not known.
  bool answers_lost = false;
  // The flow is not HTTP/1 any more: CONNECT or an upgrade has succeeded.
  bool tunnel = false;
  // Of an upgrade: what has asked for it, what to (lower case), and the answer's
  // Sec-WebSocket-Extensions.
  HttpRequest upgrade_request;
  std::string upgrade;
  std::string web_socket_extensions;

  void Add(HttpRequest request) {
    if (std::exchange(answers_lost, false)) unanswered.Clear();
    unanswered.Push(std::move(request));
  }
};

std::string LowerCase(std::string_view text) {
  std::string lower(text.substr(0, kMethodBytesMax));
  absl::AsciiStrToLower(&lower);
  return lower;
}

class HttpRequests final : public HttpStream {
 public:
  HttpRequests(FlowContext& flow, Exchange& exchange)
      : HttpStream(flow, Sender::kClient), exchange_(exchange) {}

  int OnLine(htp_tx_t* tx) override {
    const std::string_view method = View(tx->request_method);
    const bool is_method =
        !method.empty() && method.size() <= kMethodBytesMax &&
        std::all_of(method.begin(), method.end(), [](char c) {
          return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
        });
    // HTTP/0.9, which libhtp sees in any line, is not followed.
    if (!is_method || (tx->request_protocol_number != HTP_PROTOCOL_1_0 &&
                       tx->request_protocol_number != HTP_PROTOCOL_1_1)) {
      return HTP_ERROR;
    }
    MarkHeadersBegin();
    return HTP_OK;
  }

  int OnHead(htp_tx_t* tx) override {
    HttpHead head;
    ReadHeaders(tx->request_headers, head);
    head.method = View(tx->request_method);
    head.target = View(tx->request_uri);
    head.host = View(tx->request_hostname);
    if ((tx->flags & HTP_REQUEST_INVALID) == 0) {
      head.coding = tx->request_transfer_coding;
      head.length = tx->request_content_length;
    }
    const bool connect = tx->request_method_number == HTP_M_CONNECT;
    Take(head, connect);
    if (connect) {
      // The answer decides on what follows.
      awaits_answer_ = true;
      Stop();
      return HTP_STOP;
    }
    BeginBody(head);
    return HTP_OK;
  }

  int OnComplete(htp_tx_t* tx) override {
    // No response will come to this parser: the transaction is over.
    tx->response_progress = HTP_RESPONSE_COMPLETE;
    return HttpStream::OnComplete(tx);
  }

  // Goes on after CONNECT, or not.
  void ResolveConnect(std::string_view bytes) {
    if (!std::exchange(awaits_answer_, false) || exchange_.tunnel) return;
    // Unanswered, it may be that nothing is captured of the server.
    if (!exchange_.unanswered.HasMethod("CONNECT") || Detect(bytes) == Detection::kHttpRequest)
      Begin();
  }

 private:
  size_t ReadPlain(std::string_view bytes, HttpHead& head) override {
    return ReadPlainRequest(bytes, head);
  }
  void OnPlainHead(const HttpHead& head) override {
    Take(head, /*connect=*/false);
    BeginBody(head);
  }
  void Take(const HttpHead& head, bool connect) {
    flow().decoder.counters.requests.Add();
    flow().counters(Protocol::kHttp1).messages.Add();
    request_.method = head.method;
    request_.host = HostName(head.host);
    request_.path = connect ? std::string() : PathOfTarget(head.target);
    request_.referrer = OriginOf(head.origin);
    if (request_.referrer.empty()) request_.referrer = OriginOf(head.referer);
    flow().DecideMessage(Sender::kClient, request_, std::string_view(), 0);
    request_.sample = flow().sample_of(Sender::kClient);
    Deliver(Part::kRequestTarget, head.target);
    Deliver(Part::kRequestHeaders, HeaderBytes());
    Settle();
    exchange_.Add(request_);
  }
  HttpParserPool& Parsers() override { return flow().decoder.http.requests(); }
  int Feed(htp_connp_t* parser, std::string_view bytes) override {
    return htp_connp_req_data(parser, nullptr, bytes.data(), bytes.size());
  }
  Part HeaderPart() const override { return Part::kRequestHeaders; }
  Part BodyPart() const override { return Part::kRequestBody; }

  Exchange& exchange_;
  bool awaits_answer_ = false;
};

class HttpResponses final : public HttpStream {
 public:
  HttpResponses(FlowContext& flow, Exchange& exchange)
      : HttpStream(flow, Sender::kServer), exchange_(exchange) {}

  int OnLine(htp_tx_t* tx) override {
    if ((tx->flags & HTP_STATUS_LINE_INVALID) != 0) return HTP_ERROR;
    // No request will come to this parser: that half of the transaction is over. libhtp allows one
    // interim response.
    tx->request_progress = HTP_REQUEST_COMPLETE;
    tx->seen_100continue = 0;
    if (!BeginAnswer(tx->response_status_number)) tx->request_method_number = HTP_M_HEAD;
    return HTP_OK;
  }

  int OnHead(htp_tx_t* tx) override {
    HttpHead head;
    ReadHeaders(tx->response_headers, head);
    head.status = tx->response_status_number;
    head.coding = tx->response_transfer_coding;
    head.length = tx->response_content_length;
    const bool switches = head.status == kStatusSwitchingProtocols;
    const bool tunnel =
        switches || (request_.method == "CONNECT" && head.status >= 200 && head.status < 300);
    Take(head.status >= 200 || tunnel);
    if (tunnel) {
      exchange_.tunnel = true;
      if (switches) {
        exchange_.upgrade_request = request_;
        exchange_.upgrade = LowerCase(head.upgrade);
        exchange_.web_socket_extensions = head.web_socket_extensions.substr(0, kExtensionsBytesMax);
      }
      Stop();
      return HTP_STOP;
    }
    BeginBody(head);
    return HTP_OK;
  }

 private:
  size_t ReadPlain(std::string_view bytes, HttpHead& head) override {
    if (!exchange_.unanswered.empty() && exchange_.unanswered.front().method == "CONNECT") return 0;
    const size_t head_bytes = ReadPlainResponse(bytes, head);
    if (head_bytes > 0 && !BeginAnswer(head.status)) head.coding = HTP_CODING_NO_BODY;
    return head_bytes;
  }
  void OnPlainHead(const HttpHead& head) override {
    Take(/*final=*/true);
    BeginBody(head);
  }
  // The next answer has `status`: finds what it answers. False where it has no body, whatever its
  // headers say (RFC 9112 6.3), where libhtp believes a Content-Length.
  bool BeginAnswer(int status) {
    if (exchange_.unanswered.empty()) {
      request_ = HttpRequest();
      flow().DecideFlow(Sender::kServer);
    } else {
      request_ = exchange_.unanswered.front();
      flow().sample_of(Sender::kServer) = request_.sample;
    }
    const bool interim = status > 101 && status < 200;
    return request_.method != "HEAD" && status != kStatusNoContent &&
           status != kStatusNotModified && !interim;
  }
  void Take(bool final) {
    if (final) {
      flow().decoder.counters.responses.Add();
      flow().counters(Protocol::kHttp1).messages.Add();
      if (!exchange_.unanswered.empty()) exchange_.unanswered.Pop();
    }
    Deliver(Part::kResponseHeaders, HeaderBytes());
    Settle();
  }

  HttpParserPool& Parsers() override { return flow().decoder.http.responses(); }
  int Feed(htp_connp_t* parser, std::string_view bytes) override {
    return htp_connp_res_data(parser, nullptr, bytes.data(), bytes.size());
  }
  Part HeaderPart() const override { return Part::kResponseHeaders; }
  Part BodyPart() const override { return Part::kResponseBody; }

  Exchange& exchange_;
};

class HttpParser final : public StreamParser {
 public:
  explicit HttpParser(FlowContext& flow)
      : flow_(flow), requests_(flow, exchange_), responses_(flow, exchange_) {}

  void Begin(Sender sender) override {
    if (upgraded_ == nullptr) return StreamOf(sender).Begin();
    is_upgraded(sender) = true;
    upgraded_->Begin(sender);
  }

  size_t Data(Sender sender, std::string_view bytes) override {
    if (is_upgraded(sender)) return upgraded_->Data(sender, bytes);
    size_t taken = 0;
    if (sender == Sender::kClient) requests_.ResolveConnect(bytes);
    if (sender == Sender::kClient && exchange_.tunnel) {
      requests_.End();
    } else {
      taken = StreamOf(sender).Data(bytes);
    }
    if (taken == bytes.size() || !exchange_.tunnel || !Upgrade()) return taken;
    is_upgraded(sender) = true;
    upgraded_->Begin(sender);
    return taken + upgraded_->Data(sender, bytes.substr(taken));
  }

  bool Gap(Sender sender, uint64_t bytes) override {
    if (is_upgraded(sender)) return upgraded_->Gap(sender, bytes);
    if (StreamOf(sender).Gap(bytes)) return true;
    if (sender == Sender::kClient) {
      exchange_.unanswered.Clear();
    } else {
      exchange_.answers_lost = true;
    }
    return false;
  }

  void End(Sender sender) override {
    if (is_upgraded(sender)) return upgraded_->End(sender);
    StreamOf(sender).End();
  }
  std::string_view TakeHeld(Sender sender) override {
    return is_upgraded(sender) ? upgraded_->TakeHeld(sender) : StreamOf(sender).TakeHeld();
  }
  bool follows() const override { return !exchange_.tunnel || upgraded_ != nullptr; }
  bool IsAtRest() const override {
    return upgraded_ == nullptr && !exchange_.tunnel && !exchange_.answers_lost &&
           exchange_.unanswered.empty() && requests_.IsAtRest() && responses_.IsAtRest();
  }

 private:
  HttpStream& StreamOf(Sender sender) {
    if (sender == Sender::kClient) return requests_;
    return responses_;
  }
  bool& is_upgraded(Sender sender) { return is_upgraded_[sender == Sender::kClient ? 0 : 1]; }

  // Whether what the flow was upgraded to is followed.
  bool Upgrade() {
    if (upgraded_ != nullptr) return true;
    if (exchange_.upgrade == "websocket") {
      upgraded_ =
          CreateWebSocketParser(flow_, exchange_.upgrade_request, exchange_.web_socket_extensions);
      flow_.protocol = Protocol::kWebSocket;
    } else if (exchange_.upgrade == "h2c") {
      upgraded_ = CreateUpgradedHttp2Parser(flow_, std::move(exchange_.upgrade_request));
      flow_.protocol = Protocol::kHttp2;
    }
    return upgraded_ != nullptr;
  }

  FlowContext& flow_;
  Exchange exchange_;
  HttpRequests requests_;
  HttpResponses responses_;
  // What the flow has become, by direction.
  std::unique_ptr<StreamParser> upgraded_;
  std::array<bool, 2> is_upgraded_{};
};

}  // namespace

std::unique_ptr<StreamParser> CreateHttpParser(FlowContext& flow) {
  return std::make_unique<HttpParser>(flow);
}

}  // namespace skimwatch::traffic
