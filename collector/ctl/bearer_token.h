#ifndef SKIMWATCH_COLLECTOR_CTL_BEARER_TOKEN_H_
#define SKIMWATCH_COLLECTOR_CTL_BEARER_TOKEN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/credentials.h"

namespace skimwatch::ctl {

// A token of an identity provider: SKIMWATCH_TOKEN, else what is in a file. It is in no error and
// no output.
class BearerToken {
 public:
  // `file` may be empty.
  explicit BearerToken(std::string file);

  bool is_there() const { return !variable_.empty() || !file_.empty(); }

  // The token as it is now. PERMISSION_DENIED for a file that others may read; INVALID_ARGUMENT for
  // what can't be a token.
  absl::StatusOr<std::string> Read() const;

  // Sends it with every call, read anew for each. gRPC does so over TLS only.
  std::shared_ptr<grpc::CallCredentials> CallCredentials() const;

 private:
  std::string variable_;
  std::string file_;
};

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_BEARER_TOKEN_H_
