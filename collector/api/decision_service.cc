#include <memory>
#include <utility>

#include "collector/api/caller.h"
#include "collector/api/services.h"
#include "collector/exposure/close.h"
#include "grpcpp/grpcpp.h"
#include "proto/text/printable.h"
#include "skimwatch/v1/decision_service.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {
namespace {

using grpc::ServerUnaryReactor;
using Context = grpc::CallbackServerContext;

class DecisionService final : public v1::DecisionService::CallbackService {
 public:
  explicit DecisionService(const Dependencies& dependencies) : on_(dependencies) {}

  ServerUnaryReactor* ApproveScript(Context* context, const v1::ApproveScriptRequest* request,
                                    v1::ApproveScriptResponse* response) override {
    return Answer(
        on_, context, "skimwatch.v1.DecisionService.ApproveScript", request, response,
        [this, request](const Caller& caller) -> absl::StatusOr<v1::ApproveScriptResponse> {
          absl::StatusOr<v1::Script> script = on_.inventory->Approve(*request, caller.identity);
          if (!script.ok()) return script.status();
          spdlog::info("{} approved the script {} of {}", text::Printable(caller.identity),
                       text::Printable(request->name()), text::Printable(request->site()));
          v1::ApproveScriptResponse answer;
          *answer.mutable_script() = *std::move(script);
          return answer;
        });
  }

  ServerUnaryReactor* RevokeScript(Context* context, const v1::RevokeScriptRequest* request,
                                   v1::RevokeScriptResponse* response) override {
    return Answer(
        on_, context, "skimwatch.v1.DecisionService.RevokeScript", request, response,
        [this, request](const Caller& caller) -> absl::StatusOr<v1::RevokeScriptResponse> {
          absl::StatusOr<v1::Script> script = on_.inventory->Revoke(*request, caller.identity);
          if (!script.ok()) return script.status();
          spdlog::info("{} revoked the approval of the script {} of {}",
                       text::Printable(caller.identity), text::Printable(request->name()),
                       text::Printable(request->site()));
          v1::RevokeScriptResponse answer;
          *answer.mutable_script() = *std::move(script);
          return answer;
        });
  }

  ServerUnaryReactor* ApproveDestination(Context* context,
                                         const v1::ApproveDestinationRequest* request,
                                         v1::ApproveDestinationResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.DecisionService.ApproveDestination", request,
                  response, [this, request](const Caller& caller) {
                    auto answer = on_.inventory->ApproveDestination(*request, caller.identity);
                    if (answer.ok()) {
                      spdlog::info(
                          "{} approved the destination {} of {}", text::Printable(caller.identity),
                          text::Printable(request->pattern()), text::Printable(request->site()));
                    }
                    return answer;
                  });
  }

  ServerUnaryReactor* RevokeDestination(Context* context,
                                        const v1::RevokeDestinationRequest* request,
                                        v1::RevokeDestinationResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.DecisionService.RevokeDestination", request, response,
                  [this, request](const Caller& caller) {
                    auto answer = on_.inventory->RevokeDestination(*request, caller.identity);
                    if (answer.ok()) {
                      spdlog::info("{} revoked the approval of the destination {} of {}",
                                   text::Printable(caller.identity),
                                   text::Printable(request->pattern()),
                                   text::Printable(request->site()));
                    }
                    return answer;
                  });
  }

  ServerUnaryReactor* CloseExposure(Context* context, const v1::CloseExposureRequest* request,
                                    v1::CloseExposureResponse* response) override {
    return Answer(
        on_, context, "skimwatch.v1.DecisionService.CloseExposure", request, response,
        [this, request](const Caller& caller) -> absl::StatusOr<v1::CloseExposureResponse> {
          absl::StatusOr<v1::Exposure> exposure =
              exposure::Close(*on_.store, *request, caller.identity, on_.now());
          if (!exposure.ok()) return exposure.status();
          spdlog::info("{} closed exposure {}", text::Printable(caller.identity), request->id());
          v1::CloseExposureResponse answer;
          *answer.mutable_exposure() = *std::move(exposure);
          return answer;
        });
  }

 private:
  const Dependencies on_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeDecisionService(const Dependencies& dependencies) {
  return std::make_unique<DecisionService>(dependencies);
}

}  // namespace skimwatch::api
