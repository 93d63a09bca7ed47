#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_WEB_SOCKET_STREAM_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_WEB_SOCKET_STREAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/http_body.h"
#include "agent/traffic/protocol/http_request.h"

namespace skimwatch::traffic {

// What the handshake agreed on for one direction (RFC 7692 7.1).
struct WebSocketCompression {
  // permessage-deflate is in use.
  bool deflate = false;
  // The window is kept from one message to the next.
  bool context_takeover = true;
  // The WebSocket was open before it was captured: what is in the window is not known.
  bool joined = false;

  // From the response's Sec-WebSocket-Extensions, for what `sender` sends.
  static WebSocketCompression Of(std::string_view extensions, Sender sender);
};

// Follows the frames of one direction of a WebSocket (RFC 6455 5): takes the mask off, joins the
// fragments of a message into one part (Part::kMessage), with control frames between them as parts
// of their own, and undoes permessage-deflate.
//
// Nothing is kept of a message, whose frames may claim any length up to 2^63 - 1; the limit of a
// body's bytes holds for each. A gap within a frame is gone over; compressed messages behind it are
// decoded as far as they do not refer to what is missing. Any other gap, and what breaks the rules,
// gives the direction back. Thread-compatible.
class WebSocketStream {
 public:
  // Messages are said to come from `request`.
  WebSocketStream(FlowContext& flow, Sender sender, const HttpRequest& request,
                  const WebSocketCompression& compression);
  ~WebSocketStream();
  WebSocketStream(const WebSocketStream&) = delete;
  WebSocketStream& operator=(const WebSocketStream&) = delete;

  // As in StreamParser.
  size_t Data(std::string_view bytes);
  bool Gap(uint64_t bytes);
  void End();
  std::string_view TakeHeld() { return {header_.data(), std::exchange(header_bytes_, 0)}; }

 private:
  class Inflater;
  // A message, or a control frame in the midst of one.
  enum class Kind : uint8_t { kMessage, kControl };

  // False when the rules are broken.
  bool TakeHeader();
  size_t HeaderBytesNeeded() const;
  void BeginBody(HttpBody& body, bool compressed);
  void Payload(std::string_view bytes);
  void EndFrame();

  FlowContext& flow_;
  const Sender sender_;
  Provenance provenance_;
  const WebSocketCompression compression_;
  // Of the frame, as far as it has come.
  std::array<char, 14> header_{};
  size_t header_bytes_ = 0;
  bool in_payload_ = false;
  uint64_t left_ = 0;
  bool masked_ = false;
  std::array<char, 4> mask_{};
  // Of the payload, modulo the mask's length.
  size_t mask_at_ = 0;
  bool fin_ = false;
  Kind kind_ = Kind::kMessage;
  bool in_message_ = false;
  bool message_compressed_ = false;
  std::unique_ptr<Inflater> inflater_;
  HttpBody message_;
  HttpBody control_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_WEB_SOCKET_STREAM_H_
