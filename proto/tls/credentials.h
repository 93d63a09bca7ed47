#ifndef SKIMWATCH_PROTO_TLS_CREDENTIALS_H_
#define SKIMWATCH_PROTO_TLS_CREDENTIALS_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "proto/tls/certificate_files.h"
#include "skimwatch/config/v1/tls.pb.h"

namespace skimwatch::tls {

// Mutual TLS from files, read again when they change (every `reload_interval_seconds`, by default
// 60): handshakes after a change use the new files, connections that stand keep theirs. A file that
// is missing, is not PEM, has expired, or a key that does not belong to its certificate is an error
// that names the file. Plaintext is allowed only where `address` is loopback or a Unix socket.
//
// A server demands a client certificate signed by `ca_file`, or takes clients without one as well
// (and with none but a good one): then whoever serves must ask HasCertificate before each call. A
// client accepts a server whose
// certificate is signed by `ca_file` and carries `server_name`, which is by default the host of
// `address` (`localhost` for a Unix socket) and may be a SPIFFE URI.
enum class ClientCertificates { kRequired, kOptional };
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(
    const config::v1::Tls& tls, std::string_view address,
    ClientCertificates clients = ClientCertificates::kRequired);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentials(
    const config::v1::Tls& tls, std::string_view address);

// The same without a certificate of the client's own, of which only `ca_file`, `server_name` and
// `reload_interval_seconds` are looked at. INVALID_ARGUMENT for plaintext.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentialsWithoutCertificate(
    const config::v1::Tls& tls, std::string_view address);

// For a Unix socket that only operators can open: a client of it needs no TLS, and PeerIdentity
// names it `local-operator`. gRPC refuses every other kind of connection.
std::shared_ptr<grpc::ServerCredentials> OperatorSocketCredentials();

// Whether the connection is encrypted by TLS.
bool IsTls(const grpc::AuthContext& context);
// Whether the peer showed a certificate, so that PeerIdentity is what it says.
bool HasCertificate(const grpc::AuthContext& context);

// The peer's name: the SPIFFE URI SAN of its certificate, else the subject's CN (see
// CertificateIdentity); over plaintext the value of the `skimwatch-identity` metadata is not
// trusted, and the name is `local`, or `local-operator`. UNAUTHENTICATED when TLS gave no name.
absl::StatusOr<std::string> PeerIdentity(const grpc::AuthContext& context);

// When a peer's certificate stops being valid. NOT_FOUND over plaintext.
absl::StatusOr<absl::Time> PeerCertificateExpiry(const grpc::AuthContext& context);

}  // namespace skimwatch::tls

#endif  // SKIMWATCH_PROTO_TLS_CREDENTIALS_H_
