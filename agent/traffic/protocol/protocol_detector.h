#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PROTOCOL_DETECTOR_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PROTOCOL_DETECTOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/traffic/message.h"
#include "agent/traffic/protocol/flow_context.h"

namespace skimwatch::traffic {

// What the first bytes of one direction belong to.
enum class Detection : uint8_t {
  // More bytes could tell.
  kMore,
  kHttpRequest,
  kHttpResponse,
  kHttp2Client,
  kHttp2Server,
  // HTTP/2, from either side: its beginning was not seen.
  kHttp2,
  // Frames of a client: the handshake was not seen.
  kWebSocketClient,
  kDnsQuery,
  kDnsResponse,
  kSmtpClient,
  kSmtpServer,
  kFtpClient,
  kFtpServer,
  // A reply `220`, by which servers of several protocols begin: the client's first line tells.
  kGreeting,
  kSyslog,
  kTlsClient,
  kTlsServer,
  // TLS, from either side: the handshake was not seen.
  kTls,
  kUnknown,
};

Protocol ProtocolOf(Detection detection);
// The end that sends such bytes; nothing where either may.
std::optional<Sender> SenderOf(Detection detection);

// At most this many bytes are waited for.
inline constexpr size_t kDetectionBytesMax = 8192;

// Looks at the first bytes of a direction, or of what follows a tunnel's opening. `greeted` says
// that the other side has begun with a kGreeting or a kFtpServer.
//
// HTTP/1 begins with a method that is registered, or with any token where `HTTP/1.` ends the line;
// HTTP/2 with the client's preface or the server's SETTINGS (RFC 9113 3.4); TLS with a record's
// header that is plausible (RFC 8446 5.1); DNS over TCP with a message's length, a header with one
// question, and that question (RFC 1035 4); SMTP with a greeting that names it or a HELO; FTP with
// a greeting that names it, or any greeting and a USER or AUTH; syslog with a priority (RFC
// 5424 6.2.1, RFC 6587 3.4).
Detection Detect(std::string_view bytes, bool greeted = false);

// The same for TLS alone: what a tunnel carries, as far as it can't be read.
Detection DetectTls(std::string_view bytes);

// Whether bytes from the middle of an unknown stream surely begin a TLS record, or a message of
// another protocol: an HTTP/1 message with the whole of its first line, HTTP/2 frames, a client's
// WebSocket frame of text that the bytes end with, an SMTP command that names an address. kUnknown
// otherwise.
Detection DetectTlsInStream(std::string_view bytes);
Detection DetectInStream(std::string_view bytes);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PROTOCOL_DETECTOR_H_
