#include "proto/tls/credentials.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/grpc_security_constants.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace skimwatch::tls {
namespace {

constexpr unsigned kReloadIntervalDefaultSeconds = 60;

// Accepts a server whose certificate carries one name. gRPC's own verifier knows hosts only, and
// takes the name to look for from an argument of each channel; this one travels with the
// credentials, so that every user of them checks the same.
class NameVerifier : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit NameVerifier(std::string name) : name_(std::move(name)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* sync_status) override {
    const grpc::string_ref pem = request->peer_cert();
    absl::Status status = CheckCertificateName(std::string_view(pem.data(), pem.size()), name_);
    if (!status.ok()) {
      *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, std::string(status.message()));
    }
    return true;
  }

  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
  const std::string name_;
};

std::string HostOf(std::string_view address) {
  if (address.starts_with("unix:")) return "localhost";
  if (const size_t scheme = address.rfind('/'); scheme != std::string_view::npos) {
    address.remove_prefix(scheme + 1);
  }
  if (address.starts_with("[")) {
    return std::string(address.substr(1, address.find(']') - 1));
  }
  return std::string(address.substr(0, address.rfind(':')));
}

unsigned ReloadInterval(const config::v1::Tls& tls) {
  return tls.reload_interval_seconds() == 0 ? kReloadIntervalDefaultSeconds
                                            : tls.reload_interval_seconds();
}

std::shared_ptr<grpc::experimental::CertificateProviderInterface> Watch(
    const config::v1::Tls& tls) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      tls.key_file(), tls.certificate_file(), tls.ca_file(), ReloadInterval(tls));
}

// Makes a client accept the one server that `tls` and `address` say.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> WithServerCheck(
    grpc::experimental::TlsChannelCredentialsOptions& options, const config::v1::Tls& tls,
    std::string_view address) {
  options.watch_root_certs();
  options.set_verify_server_certs(true);
  // The verifier below decides the name once a connection; gRPC's check of each call's authority
  // would look for the address instead.
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<NameVerifier>(
          tls.server_name().empty() ? HostOf(address) : tls.server_name()));
  std::shared_ptr<grpc::ChannelCredentials> credentials =
      grpc::experimental::TlsCredentials(options);
  if (credentials == nullptr) return absl::InternalError("gRPC refused the TLS channel options");
  return credentials;
}

// What gRPC calls connections of LocalServerCredentials; it has no public name.
constexpr std::string_view kLocalTransportSecurityType = "local";

bool HasSecurityType(const grpc::AuthContext& context,
                     std::initializer_list<std::string_view> wanted) {
  const std::vector<grpc::string_ref> types =
      context.FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  return std::any_of(types.begin(), types.end(), [&](const grpc::string_ref& type) {
    return std::find(wanted.begin(), wanted.end(), std::string_view(type.data(), type.size())) !=
           wanted.end();
  });
}

absl::StatusOr<std::string> PeerPem(const grpc::AuthContext& context) {
  const std::vector<grpc::string_ref> pems =
      context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pems.size() != 1) {
    return absl::UnauthenticatedError("the peer presented no certificate");
  }
  return std::string(pems.front().data(), pems.front().size());
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(
    const config::v1::Tls& tls, std::string_view address, ClientCertificates clients) {
  if (absl::Status status = CheckTransport(tls, address); !status.ok()) return status;
  if (tls.plaintext()) return grpc::InsecureServerCredentials();
  if (absl::Status status = CheckCertificateFiles(tls, absl::Now()); !status.ok()) return status;
  grpc::experimental::TlsServerCredentialsOptions options(Watch(tls));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(clients == ClientCertificates::kRequired
                                    ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                    : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  std::shared_ptr<grpc::ServerCredentials> credentials =
      grpc::experimental::TlsServerCredentials(options);
  if (credentials == nullptr) return absl::InternalError("gRPC refused the TLS server options");
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentials(
    const config::v1::Tls& tls, std::string_view address) {
  if (absl::Status status = CheckTransport(tls, address); !status.ok()) return status;
  if (tls.plaintext()) return grpc::InsecureChannelCredentials();
  if (absl::Status status = CheckCertificateFiles(tls, absl::Now()); !status.ok()) return status;
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Watch(tls));
  options.watch_identity_key_cert_pairs();
  return WithServerCheck(options, tls, address);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentialsWithoutCertificate(
    const config::v1::Tls& tls, std::string_view address) {
  if (tls.plaintext()) {
    return absl::InvalidArgumentError("tls.plaintext: true, and TLS is needed here");
  }
  if (tls.ca_file().empty()) {
    return absl::InvalidArgumentError("tls.ca_file: required, or the server could be anybody");
  }
  if (absl::Status status = CertificateExpiry(tls.ca_file()).status(); !status.ok()) return status;
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(tls.ca_file(),
                                                                           ReloadInterval(tls)));
  return WithServerCheck(options, tls, address);
}

std::shared_ptr<grpc::ServerCredentials> OperatorSocketCredentials() {
  return grpc::experimental::LocalServerCredentials(UDS);
}

bool IsTls(const grpc::AuthContext& context) {
  return HasSecurityType(context,
                         {GRPC_SSL_TRANSPORT_SECURITY_TYPE, GRPC_TLS_TRANSPORT_SECURITY_TYPE});
}

bool HasCertificate(const grpc::AuthContext& context) {
  return IsTls(context) && PeerPem(context).ok();
}

absl::StatusOr<std::string> PeerIdentity(const grpc::AuthContext& context) {
  if (HasSecurityType(context, {kLocalTransportSecurityType})) {
    return std::string(kLocalOperatorIdentity);
  }
  if (!IsTls(context)) return std::string(kLocalIdentity);
  absl::StatusOr<std::string> pem = PeerPem(context);
  if (!pem.ok()) return pem.status();
  return CertificateIdentityOfPem(*pem);
}

absl::StatusOr<absl::Time> PeerCertificateExpiry(const grpc::AuthContext& context) {
  if (!IsTls(context)) return absl::NotFoundError("the connection is plaintext");
  absl::StatusOr<std::string> pem = PeerPem(context);
  if (!pem.ok()) return pem.status();
  return CertificateExpiryOfPem(*pem);
}

}  // namespace skimwatch::tls
