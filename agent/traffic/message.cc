#include "agent/traffic/message.h"

#include <algorithm>

#include "agent/memory/wipe.h"

namespace skimwatch::traffic {

void Wipe(Provenance& provenance) {
  for (std::string* text :
       {&provenance.host, &provenance.server_name, &provenance.method, &provenance.path,
        &provenance.referrer, &provenance.content_type, &provenance.file}) {
    memory::Wipe(*text);
  }
}

std::string_view CutName(std::string_view name, size_t bytes_max) {
  // 19 digits as `&#52;` or `\u0034` each, or in groups with anything between.
  constexpr size_t kNumberBytesMax = 128;
  if (name.size() <= bytes_max) return name;
  return name.substr(0, bytes_max - std::min(bytes_max, kNumberBytesMax));
}

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
