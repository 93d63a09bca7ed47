#include "collector/console/identity.h"

#include <string>
#include <utility>

#include "proto/tls/certificate_files.h"

namespace skimwatch::console {

absl::StatusOr<api::Caller> CertificateIdentifier::Identify(const Request& request) const {
  if (!request.peer.tls) {
    return api::Caller{.identity = std::string(tls::kLocalIdentity), .authenticated = false};
  }
  if (request.peer.certificate_pem.empty()) {
    return absl::UnauthenticatedError(
        "Your browser showed no client certificate that this collector's authority signed.");
  }
  absl::StatusOr<std::string> identity =
      tls::CertificateIdentityOfPem(request.peer.certificate_pem);
  if (!identity.ok()) return absl::UnauthenticatedError(identity.status().message());
  return api::Caller{.identity = *std::move(identity), .authenticated = true};
}

}  // namespace skimwatch::console
