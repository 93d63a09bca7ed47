#include <memory>
#include <utility>

#include "collector/api/caller.h"
#include "collector/api/handlers.h"
#include "collector/api/services.h"
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
    return Answer(on_, context, "skimwatch.v1.DecisionService.ApproveScript", request, response,
                  [this, request](const Caller& caller) {
                    return HandleApproveScript(on_, caller, *request);
                  });
  }

  ServerUnaryReactor* RevokeScript(Context* context, const v1::RevokeScriptRequest* request,
                                   v1::RevokeScriptResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.DecisionService.RevokeScript", request, response,
                  [this, request](const Caller& caller) {
                    return HandleRevokeScript(on_, caller, *request);
                  });
  }

  ServerUnaryReactor* DescribeScript(Context* context, const v1::DescribeScriptRequest* request,
                                     v1::DescribeScriptResponse* response) override {
    return Answer(
        on_, context, "skimwatch.v1.DecisionService.DescribeScript", request, response,
        [this, request](const Caller& caller) -> absl::StatusOr<v1::DescribeScriptResponse> {
          absl::StatusOr<v1::Script> script = on_.inventory->Describe(*request, caller.identity);
          if (!script.ok()) return script.status();
          spdlog::info("{} described the script {} of {}", text::Printable(caller.identity),
                       text::Printable(request->name()), text::Printable(request->site()));
          v1::DescribeScriptResponse answer;
          *answer.mutable_script() = *std::move(script);
          return answer;
        });
  }

  ServerUnaryReactor* ImportPublisherList(Context* context,
                                          const v1::ImportPublisherListRequest* request,
                                          v1::ImportPublisherListResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.DecisionService.ImportPublisherList", request,
                  response, [this, request](const Caller& caller) {
                    auto answer = on_.inventory->ImportPublisherList(*request, caller.identity);
                    if (!answer.ok()) {
                      spdlog::warn("{} could not import a publisher's list: {}",
                                   text::Printable(caller.identity), answer.status().ToString());
                    } else if (!request->dry_run()) {
                      spdlog::info("{} imported list {} of {}: {} versions approved, {} withdrawn",
                                   text::Printable(caller.identity), answer->serial(),
                                   answer->publisher(), answer->approved(), answer->withdrawn());
                    }
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
    return Answer(on_, context, "skimwatch.v1.DecisionService.CloseExposure", request, response,
                  [this, request](const Caller& caller) {
                    return HandleCloseExposure(on_, caller, *request);
                  });
  }

  ServerUnaryReactor* AddExposureNote(Context* context, const v1::AddExposureNoteRequest* request,
                                      v1::AddExposureNoteResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.DecisionService.AddExposureNote", request, response,
                  [this, request](const Caller& caller) {
                    return HandleAddExposureNote(on_, caller, *request);
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
