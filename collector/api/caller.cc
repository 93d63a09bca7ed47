#include "collector/api/caller.h"

#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "proto/text/printable.h"
#include "proto/tls/credentials.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {

absl::StatusOr<Caller> FindCaller(const grpc::AuthContext& auth, const Metadata& metadata,
                                  token::TokenChecker* tokens) {
  const auto [first, last] = metadata.equal_range("authorization");
  if (tokens == nullptr || first == last) {
    absl::StatusOr<std::string> identity = tls::PeerIdentity(auth);
    if (!identity.ok()) return identity.status();
    return Caller{.identity = *std::move(identity), .authenticated = tls::HasCertificate(auth)};
  }
  if (!tls::IsTls(auth)) {
    return absl::UnauthenticatedError(
        "a token came in the clear and is refused: connect by TLS, and get a new token, as this "
        "one may have been seen");
  }
  if (std::next(first) != last) {
    return absl::UnauthenticatedError("the call shows several tokens");
  }
  std::string_view bearer(first->second.data(), first->second.size());
  constexpr std::string_view kScheme = "bearer ";
  if (!absl::EqualsIgnoreCase(
          absl::string_view(bearer.data(), bearer.size()).substr(0, kScheme.size()),
          absl::string_view(kScheme.data(), kScheme.size()))) {
    return absl::UnauthenticatedError("the metadata `authorization` is not `Bearer` and a token");
  }
  bearer.remove_prefix(kScheme.size());
  absl::StatusOr<token::Token> token = tokens->Check(bearer);
  if (!token.ok()) return token.status();
  Caller caller{.identity = token->identity, .authenticated = true};
  caller.token = std::make_shared<const token::Token>(*std::move(token));
  return caller;
}

absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context,
                             const Dependencies& dependencies, std::string_view method) {
  absl::StatusOr<Caller> caller =
      FindCaller(*context.auth_context(), context.client_metadata(), dependencies.tokens);
  absl::Status status = caller.status();
  if (status.ok()) status = dependencies.authorizer->Authorize(*caller, method);
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
