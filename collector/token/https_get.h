#ifndef SKIMWATCH_COLLECTOR_TOKEN_HTTPS_GET_H_
#define SKIMWATCH_COLLECTOR_TOKEN_HTTPS_GET_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skimwatch::token {

struct HttpsGetOptions {
  // `https://...`.
  std::string url;
  // Authorities that the server must be signed by; empty for the system's.
  std::string ca_file;
  size_t bytes_max = 0;
  absl::Duration timeout = absl::Seconds(10);
};

// The body of a GET over TLS 1.2 or newer, whose server's certificate and name were checked.
// Follows no redirection, since who answers would no longer be who was configured. UNAVAILABLE with
// the address: it could not be reached, is not trusted, did not answer 200, or sent too much.
// Waits; thread-safe.
absl::StatusOr<std::string> HttpsGet(const HttpsGetOptions& options);

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_HTTPS_GET_H_
