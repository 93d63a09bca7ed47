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
#include "skimwatch/config/v1/tls.pb.h"

namespace skimwatch::tls {

// Mutual TLS from files, read again when they change. A file that is missing, is not PEM, has
// expired, or a key that does not belong to its certificate is an error that names the file.
// Plaintext is allowed only where `address` is loopback or a Unix socket.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(
    const config::v1::Tls& tls, std::string_view address);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentials(
    const config::v1::Tls& tls, std::string_view address);

// The peer's name: the SPIFFE URI SAN of its certificate, else the subject's CN; over plaintext the
// value of the `skimwatch-identity` metadata is not trusted, and the name is `local`.
// UNAUTHENTICATED when TLS gave no name.
absl::StatusOr<std::string> PeerIdentity(const grpc::AuthContext& context);

// When the certificate in a PEM file stops being valid.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& certificate_file);
// The same for a peer's certificate.
absl::StatusOr<absl::Time> PeerCertificateExpiry(const grpc::AuthContext& context);

}  // namespace skimwatch::tls

#endif  // SKIMWATCH_PROTO_TLS_CREDENTIALS_H_
