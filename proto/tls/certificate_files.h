#ifndef SKIMWATCH_PROTO_TLS_CERTIFICATE_FILES_H_
#define SKIMWATCH_PROTO_TLS_CERTIFICATE_FILES_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/tls.pb.h"

// What the certificates themselves say, read with OpenSSL. gRPC takes whatever files it is given
// and fails each handshake with one and the same message; these checks say which file is wrong and
// why. Nothing here needs gRPC. Thread-safe; every call reads anew.
namespace skimwatch::tls {

// Names of peers that have no certificate, by the way they came. No certificate stands for them.
inline constexpr std::string_view kLocalIdentity = "local";
inline constexpr std::string_view kLocalOperatorIdentity = "local-operator";

// What identities from identity providers' tokens begin with (collector/token/token.h). No
// certificate stands for them either.
inline constexpr std::string_view kTokenIdentityPrefix = "oidc:";

// True for `unix:/path`, `localhost:port`, `127.0.0.0/8` and `[::1]:port`.
bool IsLocalAddress(std::string_view address);

// Checks what a configuration says without touching a file: either `plaintext` with a local
// `address`, or all three files named. INVALID_ARGUMENT names the field.
absl::Status CheckTransport(const config::v1::Tls& tls, std::string_view address);

// Checks that the three files can serve for mutual TLS at `now`. Every error names the file:
//   NOT_FOUND            missing
//   PERMISSION_DENIED    can't be read, or a private key that others can read
//   INVALID_ARGUMENT     not PEM, no certificate in it, an encrypted key
//   FAILED_PRECONDITION  expired, not valid yet, or a key that is not the certificate's
absl::Status CheckCertificateFiles(const config::v1::Tls& tls, absl::Time now);

// Whether an authority of `ca_file` issued the certificate of `certificate_file` or one of its
// chain. Each side may trust other authorities than its peer does, so this may explain a handshake
// that failed, and is no fault by itself. FAILED_PRECONDITION names the issuer and both files;
// errors of reading are those of CheckCertificateFiles.
absl::Status CheckIssuer(const config::v1::Tls& tls);

// When the first certificate of a PEM text or file stops being valid.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& certificate_file);
absl::StatusOr<absl::Time> CertificateExpiryOfPem(std::string_view pem);

// The name that a certificate gives its owner: its SPIFFE URI SAN, else its subject's CN. A
// certificate with several SPIFFE names (the SPIFFE X.509-SVID specification, 2, forbids it),
// several CNs, or a CN that is empty, longer than 255 bytes, holds a control character or poses as
// a SPIFFE name or a token's gives none: UNAUTHENTICATED.
absl::StatusOr<std::string> CertificateIdentity(const std::string& certificate_file);
absl::StatusOr<std::string> CertificateIdentityOfPem(std::string_view pem);

// Whether a certificate in PEM was issued to `name`: a host (RFC 6125, only by SAN), an IP address
// or a SPIFFE URI. UNAUTHENTICATED says which name was wanted.
absl::Status CheckCertificateName(std::string_view pem, std::string_view name);

// Reads a file that holds a secret, of at most 4 MiB. `what` names the secret in errors, such as
// `a private key`: NOT_FOUND; PERMISSION_DENIED, also for a file that others than its owner and
// group may read, or others than its owner may write; INVALID_ARGUMENT for what is no regular file.
absl::StatusOr<std::string> ReadSecretFile(const std::string& file, std::string_view what);

}  // namespace skimwatch::tls

#endif  // SKIMWATCH_PROTO_TLS_CERTIFICATE_FILES_H_
