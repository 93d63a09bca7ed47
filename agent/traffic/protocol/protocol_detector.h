#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PROTOCOL_DETECTOR_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PROTOCOL_DETECTOR_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::traffic {

// What the first bytes of one direction belong to.
enum class Detection : uint8_t {
  // More bytes could tell.
  kMore,
  kHttpRequest,
  kHttpResponse,
  kTlsClient,
  kTlsServer,
  // TLS, from either side: the handshake was not seen.
  kTls,
  kUnknown,
};

// At most this many bytes are waited for.
inline constexpr size_t kDetectionBytesMax = 8192;

// Looks at the first bytes of a direction, or of what follows a tunnel's opening.
//
// HTTP/1 begins with a method that is registered, or with any token where `HTTP/1.` ends the line;
// TLS with a record's header that is plausible (RFC 8446 5.1).
Detection Detect(std::string_view bytes);

// The same for TLS alone: what a tunnel carries, as far as it can't be read.
Detection DetectTls(std::string_view bytes);

// Whether bytes from the middle of an unknown stream surely begin a TLS record, or an HTTP/1
// message: kUnknown unless the whole of its first line, or of a record's head, is there.
Detection DetectTlsInStream(std::string_view bytes);
Detection DetectHttpInStream(std::string_view bytes);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_PROTOCOL_DETECTOR_H_
