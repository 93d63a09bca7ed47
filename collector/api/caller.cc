#include "collector/api/caller.h"

#include <memory>
#include <string>

#include "proto/text/printable.h"
#include "proto/tls/credentials.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {

absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context,
                             const Authorizer& authorizer, std::string_view method) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  absl::StatusOr<std::string> identity = tls::PeerIdentity(*auth);
  absl::Status status = identity.status();
  Caller caller;
  if (status.ok()) {
    caller = {.identity = *std::move(identity), .authenticated = tls::HasCertificate(*auth)};
    status = authorizer.Authorize(caller, method);
  }
  if (!status.ok()) {
    spdlog::warn("refused {} to {}: {}", method, context.peer(),
                 std::string_view(status.message().data(), status.message().size()));
    return status;
  }
  return caller;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Trailers are limited to 8 KiB in all.
  constexpr size_t kMessageBytesMax = 2048;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message().substr(0, kMessageBytesMax)));
}

}  // namespace skimwatch::api
