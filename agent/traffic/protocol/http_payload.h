#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_PAYLOAD_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_PAYLOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/traffic/protocol/chunk_reading.h"
#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/http_body.h"
#include "agent/traffic/protocol/tls_records.h"

namespace skimwatch::traffic {

// What a head says of the body that follows it.
struct HttpPayloadType {
  std::string_view content_type;
  // 0 where it is not known.
  uint64_t body_bytes = 0;
  std::string_view content_encoding;
  std::string_view transfer_encoding;
  std::string_view grpc_encoding;
  // Of CONNECT: the bytes of a connection to elsewhere.
  bool is_tunnel = false;
};

// The content of one HTTP message on its way to the scanner, as what its media type makes of it:
//
// - gRPC and gRPC-Web (`application/grpc*`): each length-prefixed message is a part of its own, and
//   undone from its grpc-encoding where its flag says so (the PROTOCOL-HTTP2 document of gRPC);
// - server-sent events (`text/event-stream`): each event is a part of its own, which ends with the
//   event and not with a response that never does; the limit of a body's bytes holds for an event;
// - a tunnel: TLS in it is counted as encrypted;
// - anything else: one part.
//
// Of a long one without a content coding each window is a part of its own where not everything is
// scanned (flow_sampler.h).
//
// Counts every byte that Data is given, by End at the latest. Thread-compatible.
class HttpPayload {
 public:
  HttpPayload(FlowContext& flow, Sender sender);
  ~HttpPayload();
  HttpPayload(const HttpPayload&) = delete;
  HttpPayload& operator=(const HttpPayload&) = delete;

  bool open() const { return open_; }
  // Begins a payload whose parts are of kind `part` and come from `provenance`.
  void Begin(const Provenance& provenance, Part part, const HttpPayloadType& type);
  void Data(std::string_view bytes);
  // `bytes` are missing, 0 where their number is not known.
  void Gap(uint64_t bytes);
  void End();

 private:
  class Events;
  enum class Kind : uint8_t { kPlain, kGrpc, kTunnel, kEncrypted };

  PartConsumer* BeginPart(bool repeats = false);
  void GrpcData(std::string_view bytes);
  void BeginGrpcMessage();
  void TunnelData(std::string_view bytes);
  void BeginPlain();
  void PlainData(std::string_view bytes);

  FlowContext& flow_;
  const Sender sender_;
  bool open_ = false;
  Kind kind_ = Kind::kPlain;
  // It may be longer than a window of the sampler, and each window of it is decided on.
  bool has_windows_ = false;
  uint64_t window_bytes_ = 0;
  Part part_ = Part::kRequestBody;
  // Of payloads that may be more than one part.
  std::unique_ptr<Provenance> provenance_;
  std::string grpc_encoding_;
  std::unique_ptr<Events> events_;
  std::unique_ptr<TlsRecords> tls_;
  // Of a gRPC message's prefix, or of a tunnel's beginning, as far as it has come.
  std::array<char, 16> prefix_{};
  size_t prefix_bytes_ = 0;
  // Of the gRPC message.
  uint64_t left_ = 0;
  HttpBody body_;
  // Of a plain body.
  ChunkReading chunks_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_PAYLOAD_H_
