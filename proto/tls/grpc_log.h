#ifndef SKIMWATCH_PROTO_TLS_GRPC_LOG_H_
#define SKIMWATCH_PROTO_TLS_GRPC_LOG_H_

namespace skimwatch::tls {

// Whether failed handshakes are news: to a server, whose log is the only place that tells of a
// client that was turned away, and not to a client, which gets an error with the same text.
enum class Handshakes { kTold, kKnown };

// Makes what gRPC logs an event of this process's log like every other, of its level and format.
// The same event is told once a minute, with how often it was left out since: a client that can't
// connect tries again for ever. A failed handshake is told in words; gRPC does not say who the
// other side was. Call after process::SetUpLogging and before gRPC is used.
void RouteGrpcLog(Handshakes handshakes);

}  // namespace skimwatch::tls

#endif  // SKIMWATCH_PROTO_TLS_GRPC_LOG_H_
