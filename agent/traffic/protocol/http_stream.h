#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_STREAM_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_STREAM_H_

#include <htp/htp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/http_config.h"
#include "agent/traffic/protocol/http_head.h"
#include "agent/traffic/protocol/http_payload.h"
#include "agent/traffic/protocol/http_request.h"

namespace skimwatch::traffic {

// Follows the messages of one direction of an HTTP/1 flow; see http_parser.h. What differs between
// requests and responses is in the classes derived.
class HttpStream {
 public:
  HttpStream(FlowContext& flow, Sender sender);
  virtual ~HttpStream();
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // As in StreamParser.
  void Begin();
  size_t Data(std::string_view bytes);
  bool Gap(uint64_t bytes);
  void End();
  std::string_view TakeHeld();

  // Called by libhtp; see http_config.cc.
  virtual int OnLine(htp_tx_t* tx) = 0;
  virtual int OnHead(htp_tx_t* tx) = 0;
  // Of a message without a body: libhtp does not see those.
  virtual int OnComplete(htp_tx_t* tx);

  // Nothing of this direction is in progress.
  bool IsAtRest() const { return expect_ == Expect::kHead && held_.empty(); }

 protected:
  // What the next bytes are.
  enum class Expect : uint8_t {
    kHead,
    // `left_` bytes of a body or of a chunk.
    kLength,
    kChunkLength,
    kUntilEnd,
    kChunkSize,
    kChunkEnd,
    kTrailers,
    // Given back, or waiting for the other direction's word.
    kStopped,
  };

  FlowContext& flow() { return flow_; }
  Expect expect() const { return expect_; }
  // The head, as it stands so far, from where the headers begin.
  std::string_view HeaderBytes() const { return HeadBytes().substr(headers_begin_); }
  void MarkHeadersBegin() { headers_begin_ = held_.size(); }
  // Passes on one part, where this direction is scanned.
  void Deliver(Part part, std::string_view bytes);
  // All of the head, or what is held, was passed on: counts it.
  void Settle();
  // The message in progress has the body that its head says. It is followed without libhtp, whose
  // parser would be kept, at some kilobytes, for nothing but to count its bytes.
  void BeginBody(const HttpHead& head);
  // From here on it is not HTTP.
  void Stop() { expect_ = Expect::kStopped; }

  // Request of the message in progress.
  HttpRequest request_;

 private:
  // As ReadPlainRequest and ReadPlainResponse, where the flow's state lets a head do without
  // libhtp.
  virtual size_t ReadPlain(std::string_view bytes, HttpHead& head) = 0;
  virtual void OnPlainHead(const HttpHead& head) = 0;
  virtual HttpParserPool& Parsers() = 0;
  virtual int Feed(htp_connp_t* parser, std::string_view bytes) = 0;
  virtual Part HeaderPart() const = 0;
  virtual Part BodyPart() const = 0;

  // Gives `bytes` to libhtp; false, with all torn down, when it finds an error.
  bool Parse(std::string_view bytes);
  // The rules are broken: from here on it is not HTTP.
  void Fail();
  size_t TakeHead(std::string_view bytes);
  size_t TakeLine(std::string_view bytes);
  std::string_view HeadBytes() const { return plain_head_.empty() ? held_ : plain_head_; }
  void ParseLine(std::string_view line);
  void ParseChunkSize(std::string_view line);
  // `bytes` of a body have come, or are missing.
  void Advance(uint64_t bytes);
  void CompleteMessage();
  // Forgets what is held, which is counted.
  void Release();
  // Framing is counted at once, unless it carries more than it must: then it is scanned as headers.
  void TakeFraming(std::string_view line, bool scan);
  // Of a part that begins here; valid until the next call.
  const Provenance& PartProvenance(std::string_view content_type);
  // The message is over.
  void ForgetRequest();
  void DropParser();

  FlowContext& flow_;
  const Sender sender_;
  // While a head is in progress.
  htp_connp_t* parser_ = nullptr;
  Expect expect_ = Expect::kHead;
  uint64_t left_ = 0;
  // Lines of the head or of framing that are not counted yet; the last may be incomplete.
  std::string held_;
  // A head that is read where it is, while it is.
  std::string_view plain_head_;
  // What TakeHeld returned last.
  std::string taken_;
  size_t line_begin_ = 0;
  size_t headers_begin_ = 0;
  bool settled_ = false;
  // libhtp has come to the end of a message in what it was given last.
  bool is_complete_ = false;
  HttpPayload body_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_STREAM_H_
