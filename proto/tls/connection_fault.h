#ifndef SKIMWATCH_PROTO_TLS_CONNECTION_FAULT_H_
#define SKIMWATCH_PROTO_TLS_CONNECTION_FAULT_H_

#include <string_view>

namespace skimwatch::tls {

// Why no connection to a collector could be made.
enum class ConnectionFault {
  // Nothing that is known, such as what a collector itself answered.
  kNone,
  kExpired,
  kNotYetValid,
  // The certificate does not carry the name that was asked for.
  kOtherName,
  // No authority of this side's `ca_file` signed the certificate.
  kUntrusted,
  kNoTls,
  kRefused,
  // There is no Unix socket of that path.
  kNoSocket,
  kUnknownHost,
  kUnreachable,
  kSilent,
  // The other side ended it, which is how it says no to a certificate, or to none.
  kEnded,
};

// What gRPC and OpenSSL mean by the text of an error that a call to `address` ended with. It must
// be one that gRPC made on this side: a collector's own answers are about other connections.
ConnectionFault ConnectionFaultOf(std::string_view message, std::string_view address);

}  // namespace skimwatch::tls

#endif  // SKIMWATCH_PROTO_TLS_CONNECTION_FAULT_H_
