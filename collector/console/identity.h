#ifndef SKIMWATCH_COLLECTOR_CONSOLE_IDENTITY_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_IDENTITY_H_

#include "absl/status/statusor.h"
#include "collector/api/authorization.h"
#include "collector/console/http.h"

namespace skimwatch::console {

// Says who sent a request. A seam: what a browser shows may be a certificate, or a session that an
// identity provider began; whatever it is, the result is a caller whose role follows from the same
// `roles` rules. Thread-safe.
class Identifier {
 public:
  virtual ~Identifier() = default;
  // UNAUTHENTICATED says what to show.
  virtual absl::StatusOr<api::Caller> Identify(const Request& request) const = 0;
};

// The client certificate's name (see tls::CertificateIdentity); `local` for a process of this
// machine that came without TLS.
class CertificateIdentifier : public Identifier {
 public:
  absl::StatusOr<api::Caller> Identify(const Request& request) const override;
};

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_IDENTITY_H_
