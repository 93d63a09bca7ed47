#ifndef SKIMWATCH_COLLECTOR_API_CALLER_H_
#define SKIMWATCH_COLLECTOR_API_CALLER_H_

#include <map>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/api/authorization.h"
#include "collector/api/request_limits.h"
#include "collector/api/services.h"
#include "collector/api/work_queue.h"
#include "grpcpp/grpcpp.h"

namespace skimwatch::api {

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// Who calls: the holder of the token in the metadata `authorization: Bearer ...` where tokens are
// taken and there is one, else the owner of the connection's certificate. A token that is not good
// is never passed over for the certificate. UNAUTHENTICATED: a bad token, one that did not come by
// TLS, or neither a token nor a certificate with a name. UNAVAILABLE as TokenChecker says.
absl::StatusOr<Caller> FindCaller(const grpc::AuthContext& auth, const Metadata& metadata,
                                  token::TokenChecker* tokens);

// The caller, when it may call `method`. Errors are those of FindCaller and of Authorizer.
absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context,
                             const Dependencies& dependencies, std::string_view method);

// The same code and message, the message cut to what fits in a response's trailers.
grpc::Status ToGrpc(const absl::Status& status);

// Answers one call: admits the caller, checks the request, and runs `handle(caller)`, which gives
// an absl::StatusOr of the response, on the work queue.
template <typename Request, typename Response, typename Handle>
grpc::ServerUnaryReactor* Answer(const Dependencies& dependencies,
                                 grpc::CallbackServerContext* context, std::string_view method,
                                 const Request* request, Response* response, Handle handle) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<Caller> caller = Admit(*context, dependencies, method);
  absl::Status status = caller.status();
  if (status.ok()) status = CheckRequest(*request);
  if (!status.ok()) {
    reactor->Finish(ToGrpc(status));
    return reactor;
  }
  const bool accepted = dependencies.work->TryAdd(
      [reactor, response, context, caller = *std::move(caller), handle = std::move(handle)] {
        if (context->IsCancelled()) {
          reactor->Finish(grpc::Status::CANCELLED);
          return;
        }
        absl::StatusOr<Response> answer = handle(caller);
        if (answer.ok()) *response = *std::move(answer);
        reactor->Finish(ToGrpc(answer.status()));
      });
  if (!accepted) {
    reactor->Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                 "the collector has too many questions waiting; try again later"));
  }
  return reactor;
}

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_CALLER_H_
