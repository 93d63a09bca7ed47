#include "collector/api/operator_calls.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "collector/api/handlers.h"
#include "collector/api/request_limits.h"
#include "google/protobuf/message.h"
#include "proto/text/printable.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {
namespace {

// The full name of a method of one of the two services; empty where neither has it.
std::string FullName(std::string_view method) {
  for (const MethodRole& entry : MethodRoles()) {
    if (entry.method.substr(entry.method.rfind('.') + 1) == method) {
      return std::string(entry.method);
    }
  }
  return "";
}

}  // namespace

bool OperatorCalls::May(const Caller& caller, std::string_view method) const {
  return on_.authorizer->Authorize(caller, FullName(method)).ok();
}

template <typename Request, typename Handle>
auto OperatorCalls::Call(const Caller& caller, std::string_view method, const Request& request,
                         Handle handle) const -> decltype(handle()) {
  absl::Status status = on_.authorizer->Authorize(caller, FullName(method));
  if (!status.ok()) {
    spdlog::warn("refused {}: {}", method,
                 std::string_view(status.message().data(), status.message().size()));
    return status;
  }
  if (status = CheckRequest(request); !status.ok()) return status;
  return handle();
}

absl::StatusOr<v1::ListExposuresResponse> OperatorCalls::ListExposures(
    const Caller& caller, const v1::ListExposuresRequest& request) const {
  return Call(caller, "ListExposures", request, [&] { return on_.store->ListExposures(request); });
}

absl::StatusOr<v1::GetExposureReportResponse> OperatorCalls::GetExposureReport(
    const Caller& caller, const v1::GetExposureReportRequest& request) const {
  return Call(caller, "GetExposureReport", request,
              [&] { return HandleGetExposureReport(on_, caller, request); });
}

absl::StatusOr<v1::ListScriptsResponse> OperatorCalls::ListScripts(
    const Caller& caller, const v1::ListScriptsRequest& request) const {
  return Call(caller, "ListScripts", request, [&] { return on_.store->ListScripts(request); });
}

absl::StatusOr<v1::GetScriptResponse> OperatorCalls::GetScript(
    const Caller& caller, const v1::GetScriptRequest& request) const {
  return Call(caller, "GetScript", request, [&] { return HandleGetScript(on_, request); });
}

absl::StatusOr<v1::ListDestinationsResponse> OperatorCalls::ListDestinations(
    const Caller& caller, const v1::ListDestinationsRequest& request) const {
  return Call(caller, "ListDestinations", request,
              [&] { return on_.store->ListDestinations(request); });
}

absl::StatusOr<v1::ListAgentsResponse> OperatorCalls::ListAgents(
    const Caller& caller, const v1::ListAgentsRequest& request) const {
  return Call(caller, "ListAgents", request, [&] { return on_.store->ListAgents(request); });
}

absl::StatusOr<v1::ListDecisionsResponse> OperatorCalls::ListDecisions(
    const Caller& caller, const v1::ListDecisionsRequest& request) const {
  return Call(caller, "ListDecisions", request, [&] { return on_.store->ListDecisions(request); });
}

absl::StatusOr<v1::ApproveScriptResponse> OperatorCalls::ApproveScript(
    const Caller& caller, const v1::ApproveScriptRequest& request) const {
  return Call(caller, "ApproveScript", request,
              [&] { return HandleApproveScript(on_, caller, request); });
}

absl::StatusOr<v1::RevokeScriptResponse> OperatorCalls::RevokeScript(
    const Caller& caller, const v1::RevokeScriptRequest& request) const {
  return Call(caller, "RevokeScript", request,
              [&] { return HandleRevokeScript(on_, caller, request); });
}

absl::StatusOr<v1::CloseExposureResponse> OperatorCalls::CloseExposure(
    const Caller& caller, const v1::CloseExposureRequest& request) const {
  return Call(caller, "CloseExposure", request,
              [&] { return HandleCloseExposure(on_, caller, request); });
}

absl::StatusOr<v1::AddExposureNoteResponse> OperatorCalls::AddExposureNote(
    const Caller& caller, const v1::AddExposureNoteRequest& request) const {
  return Call(caller, "AddExposureNote", request,
              [&] { return HandleAddExposureNote(on_, caller, request); });
}

}  // namespace skimwatch::api
