#include "agent/traffic/message.h"

namespace skimwatch::traffic {

std::string_view PartName(Part part) {
  switch (part) {
    case Part::kRequestTarget:
      return "request_target";
    case Part::kRequestHeaders:
      return "request_headers";
    case Part::kRequestBody:
      return "request_body";
    case Part::kResponseHeaders:
      return "response_headers";
    case Part::kResponseBody:
      return "response_body";
    case Part::kStream:
      return "stream";
    case Part::kLine:
      return "line";
    case Part::kMessage:
      return "message";
    case Part::kCommand:
      return "command";
    case Part::kName:
      return "name";
    case Part::kRecord:
      return "record";
    case Part::kField:
      return "field";
  }
  return "unknown";
}

std::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp1:
      return "http1";
    case Protocol::kHttp2:
      return "http2";
    case Protocol::kWebSocket:
      return "websocket";
    case Protocol::kDns:
      return "dns";
    case Protocol::kSmtp:
      return "smtp";
    case Protocol::kFtp:
      return "ftp";
    case Protocol::kSyslog:
      return "syslog";
    case Protocol::kTls:
      return "tls";
    case Protocol::kQuic:
      return "quic";
    case Protocol::kUnknown:
    case Protocol::kCount:
      break;
  }
  return "unknown";
}

}  // namespace skimwatch::traffic
