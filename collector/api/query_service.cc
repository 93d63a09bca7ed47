#include <atomic>
#include <memory>
#include <utility>

#include "collector/api/caller.h"
#include "collector/api/finding_watch.h"
#include "collector/api/handlers.h"
#include "collector/api/services.h"
#include "grpcpp/grpcpp.h"
#include "proto/text/printable.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {
namespace {

using grpc::ServerUnaryReactor;
using Context = grpc::CallbackServerContext;

class QueryService final : public v1::QueryService::CallbackService {
 public:
  explicit QueryService(const Dependencies& dependencies) : on_(dependencies) {}

  ServerUnaryReactor* ListExposures(Context* context, const v1::ListExposuresRequest* request,
                                    v1::ListExposuresResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListExposures", request, response,
                  [this, request](const Caller&) { return on_.store->ListExposures(*request); });
  }

  ServerUnaryReactor* GetExposure(Context* context, const v1::GetExposureRequest* request,
                                  v1::GetExposureResponse* response) override {
    return Answer(
        on_, context, "skimwatch.v1.QueryService.GetExposure", request, response,
        [this, request](const Caller& caller) { return HandleGetExposure(on_, caller, *request); });
  }

  ServerUnaryReactor* GetExposureReport(Context* context,
                                        const v1::GetExposureReportRequest* request,
                                        v1::GetExposureReportResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.GetExposureReport", request, response,
                  [this, request](const Caller& caller) {
                    return HandleGetExposureReport(on_, caller, *request);
                  });
  }

  ServerUnaryReactor* GetExposureTimeline(Context* context,
                                          const v1::GetExposureTimelineRequest* request,
                                          v1::GetExposureTimelineResponse* response) override {
    return Answer(
        on_, context, "skimwatch.v1.QueryService.GetExposureTimeline", request, response,
        [this, request](const Caller& caller) -> absl::StatusOr<v1::GetExposureTimelineResponse> {
          v1::GetExposureReportRequest whole;
          whole.set_id(request->id());
          absl::StatusOr<v1::GetExposureReportResponse> report =
              HandleGetExposureReport(on_, caller, whole);
          if (!report.ok()) return report.status();
          v1::GetExposureTimelineResponse answer;
          answer.mutable_timeline()->Swap(report->mutable_report()->mutable_timeline());
          return answer;
        });
  }

  ServerUnaryReactor* ListFindings(Context* context, const v1::ListFindingsRequest* request,
                                   v1::ListFindingsResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListFindings", request, response,
                  [this, request](const Caller& caller) {
                    return HandleListFindings(on_, caller, *request);
                  });
  }

  grpc::ServerWriteReactor<v1::WatchFindingsResponse>* WatchFindings(
      Context* context, const v1::WatchFindingsRequest* request) override {
    absl::StatusOr<Caller> caller = Admit(*context, on_, "skimwatch.v1.QueryService.WatchFindings");
    absl::Status status = caller.status();
    if (status.ok()) status = CheckRequest(*request);
    const bool has_token = status.ok() && caller->token != nullptr;
    return StartFindingWatch(
        status, *request, on_.feed, on_.work, &watches_,
        has_token ? caller->token->expires - on_.now() : absl::InfiniteDuration(),
        status.ok() && SeesFingerprints(on_, *caller));
  }

  ServerUnaryReactor* ListScripts(Context* context, const v1::ListScriptsRequest* request,
                                  v1::ListScriptsResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListScripts", request, response,
                  [this, request](const Caller&) { return on_.store->ListScripts(*request); });
  }

  ServerUnaryReactor* GetScript(Context* context, const v1::GetScriptRequest* request,
                                v1::GetScriptResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.GetScript", request, response,
                  [this, request](const Caller&) { return HandleGetScript(on_, *request); });
  }

  ServerUnaryReactor* ListPublishers(Context* context, const v1::ListPublishersRequest* request,
                                     v1::ListPublishersResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListPublishers", request, response,
                  [this](const Caller&) { return on_.inventory->ListPublishers(); });
  }

  ServerUnaryReactor* ListDestinations(Context* context, const v1::ListDestinationsRequest* request,
                                       v1::ListDestinationsResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListDestinations", request, response,
                  [this, request](const Caller&) { return on_.store->ListDestinations(*request); });
  }

  ServerUnaryReactor* GetDestination(Context* context, const v1::GetDestinationRequest* request,
                                     v1::GetDestinationResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.GetDestination", request, response,
                  [this, request](const Caller&) {
                    return on_.store->GetDestination(request->site(), request->name());
                  });
  }

  ServerUnaryReactor* ListAgents(Context* context, const v1::ListAgentsRequest* request,
                                 v1::ListAgentsResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListAgents", request, response,
                  [this, request](const Caller&) { return on_.store->ListAgents(*request); });
  }

  ServerUnaryReactor* ListDecisions(Context* context, const v1::ListDecisionsRequest* request,
                                    v1::ListDecisionsResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.ListDecisions", request, response,
                  [this, request](const Caller&) { return on_.store->ListDecisions(*request); });
  }

  ServerUnaryReactor* CheckCard(Context* context, const v1::CheckCardRequest* request,
                                v1::CheckCardResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.CheckCard", request, response,
                  [this, request](const Caller& caller) {
                    absl::StatusOr<v1::CheckCardResponse> answer = on_.store->CheckCard(*request);
                    // Who asked, never after which card.
                    spdlog::info("{} checked a card: {}", text::Printable(caller.identity),
                                 !answer.ok()                    ? "failed"
                                 : answer->sightings_size() == 0 ? "not seen"
                                                                 : "seen");
                    return answer;
                  });
  }

  ServerUnaryReactor* GetFingerprintKeys(Context* context,
                                         const v1::GetFingerprintKeysRequest* request,
                                         v1::GetFingerprintKeysResponse* response) override {
    return Answer(on_, context, "skimwatch.v1.QueryService.GetFingerprintKeys", request, response,
                  [this](const Caller& caller) -> absl::StatusOr<v1::GetFingerprintKeysResponse> {
                    v1::GetFingerprintKeysResponse answer;
                    for (v1::FingerprintKey& key : on_.fingerprint_keys()) {
                      *answer.add_keys() = std::move(key);
                    }
                    spdlog::info("{} fetched the fingerprint keys",
                                 text::Printable(caller.identity));
                    return answer;
                  });
  }

 private:
  const Dependencies on_;
  std::atomic<int> watches_{0};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeQueryService(const Dependencies& dependencies) {
  return std::make_unique<QueryService>(dependencies);
}

}  // namespace skimwatch::api
