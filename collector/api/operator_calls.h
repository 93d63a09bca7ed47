#ifndef SKIMWATCH_COLLECTOR_API_OPERATOR_CALLS_H_
#define SKIMWATCH_COLLECTOR_API_OPERATOR_CALLS_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "collector/api/authorization.h"
#include "collector/api/services.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::api {

// The calls of the query and decision services for callers that came another way than by gRPC, such
// as a browser: the same roles, the same limits, the same log, in this process and on the caller's
// thread, which waits for the store.
//
// Every method authorizes the caller by the role that the service's method of its name needs, then
// holds the request to the limits of request_limits.h. Errors are those of the service; a refusal
// is PERMISSION_DENIED or UNAUTHENTICATED. Texts must be UTF-8. Thread-safe.
//
//   OperatorCalls calls(dependencies);
//   auto page = calls.ListExposures({.identity = "alice", .authenticated = true}, request);
class OperatorCalls {
 public:
  // What `dependencies` point at must outlive this. Needs neither `feed` nor `work`.
  explicit OperatorCalls(const Dependencies& dependencies) : on_(dependencies) {}

  // Whether the caller may call `method` (`ListExposures`, `CloseExposure`), so that a page need
  // not offer what would be refused.
  bool May(const Caller& caller, std::string_view method) const;
  Role RoleOf(const Caller& caller) const { return on_.authorizer->RoleOf(caller); }

  absl::StatusOr<v1::ListExposuresResponse> ListExposures(
      const Caller& caller, const v1::ListExposuresRequest& request) const;
  absl::StatusOr<v1::GetExposureReportResponse> GetExposureReport(
      const Caller& caller, const v1::GetExposureReportRequest& request) const;
  absl::StatusOr<v1::ListScriptsResponse> ListScripts(const Caller& caller,
                                                      const v1::ListScriptsRequest& request) const;
  absl::StatusOr<v1::GetScriptResponse> GetScript(const Caller& caller,
                                                  const v1::GetScriptRequest& request) const;
  absl::StatusOr<v1::ListDestinationsResponse> ListDestinations(
      const Caller& caller, const v1::ListDestinationsRequest& request) const;
  absl::StatusOr<v1::ListAgentsResponse> ListAgents(const Caller& caller,
                                                    const v1::ListAgentsRequest& request) const;
  absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(
      const Caller& caller, const v1::ListDecisionsRequest& request) const;

  absl::StatusOr<v1::ApproveScriptResponse> ApproveScript(
      const Caller& caller, const v1::ApproveScriptRequest& request) const;
  absl::StatusOr<v1::RevokeScriptResponse> RevokeScript(
      const Caller& caller, const v1::RevokeScriptRequest& request) const;
  absl::StatusOr<v1::CloseExposureResponse> CloseExposure(
      const Caller& caller, const v1::CloseExposureRequest& request) const;
  absl::StatusOr<v1::AddExposureNoteResponse> AddExposureNote(
      const Caller& caller, const v1::AddExposureNoteRequest& request) const;

 private:
  template <typename Request, typename Handle>
  auto Call(const Caller& caller, std::string_view method, const Request& request,
            Handle handle) const -> decltype(handle());

  const Dependencies on_;
};

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_OPERATOR_CALLS_H_
