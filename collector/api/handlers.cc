#include "collector/api/handlers.h"

#include <utility>

#include "collector/exposure/close.h"
#include "collector/exposure/note.h"
#include "collector/report/exposure_report.h"
#include "proto/text/printable.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {
namespace {

void HideFingerprints(const Dependencies& on, const Caller& caller,
                      google::protobuf::RepeatedPtrField<v1::StoredFinding>& findings) {
  if (SeesFingerprints(on, caller)) return;
  for (v1::StoredFinding& stored : findings) HideFingerprint(stored);
}

}  // namespace

bool SeesFingerprints(const Dependencies& on, const Caller& caller) {
  return on.authorizer->RoleOf(caller) >= Role::kApprover;
}

void HideFingerprint(v1::StoredFinding& stored) {
  v1::Finding& finding = *stored.mutable_finding();
  if (finding.has_card_number()) {
    finding.mutable_card_number()->mutable_card()->clear_fingerprint();
  }
  if (finding.has_track_data()) {
    finding.mutable_track_data()->mutable_card()->clear_fingerprint();
  }
}

absl::StatusOr<v1::GetExposureResponse> HandleGetExposure(const Dependencies& on,
                                                          const Caller& caller,
                                                          const v1::GetExposureRequest& request) {
  absl::StatusOr<v1::GetExposureResponse> answer = on.store->GetExposure(request.id());
  if (answer.ok()) HideFingerprints(on, caller, *answer->mutable_findings());
  return answer;
}

absl::StatusOr<v1::ListFindingsResponse> HandleListFindings(
    const Dependencies& on, const Caller& caller, const v1::ListFindingsRequest& request) {
  absl::StatusOr<v1::ListFindingsResponse> answer = on.store->ListFindings(request);
  if (answer.ok()) HideFingerprints(on, caller, *answer->mutable_findings());
  return answer;
}

absl::StatusOr<v1::GetExposureReportResponse> HandleGetExposureReport(
    const Dependencies& on, const Caller& caller, const v1::GetExposureReportRequest& request) {
  absl::StatusOr<v1::ExposureReport> report =
      report::MakeExposureReport(*on.store, request.id(), on.version, on.now());
  if (!report.ok()) return report.status();
  HideFingerprints(on, caller, *report->mutable_findings());
  v1::GetExposureReportResponse answer;
  *answer.mutable_report() = *std::move(report);
  return answer;
}

absl::StatusOr<v1::GetScriptResponse> HandleGetScript(const Dependencies& on,
                                                      const v1::GetScriptRequest& request) {
  absl::StatusOr<v1::Script> script = on.store->GetScript(request.site(), request.name());
  if (!script.ok()) return script.status();
  v1::GetScriptResponse answer;
  *answer.mutable_script() = *std::move(script);
  return answer;
}

absl::StatusOr<v1::ApproveScriptResponse> HandleApproveScript(
    const Dependencies& on, const Caller& caller, const v1::ApproveScriptRequest& request) {
  absl::StatusOr<v1::Script> script = on.inventory->Approve(request, caller.identity);
  if (!script.ok()) return script.status();
  spdlog::info("{} approved {} {} of {}", text::Printable(caller.identity),
               request.profile() ? "the behaviour of the script" : "the script",
               text::Printable(request.name()), text::Printable(request.site()));
  v1::ApproveScriptResponse answer;
  *answer.mutable_script() = *std::move(script);
  return answer;
}

absl::StatusOr<v1::RevokeScriptResponse> HandleRevokeScript(
    const Dependencies& on, const Caller& caller, const v1::RevokeScriptRequest& request) {
  absl::StatusOr<v1::Script> script = on.inventory->Revoke(request, caller.identity);
  if (!script.ok()) return script.status();
  spdlog::info("{} revoked the {} of the script {} of {}", text::Printable(caller.identity),
               request.profile() ? "behaviour profile" : "approval",
               text::Printable(request.name()), text::Printable(request.site()));
  v1::RevokeScriptResponse answer;
  *answer.mutable_script() = *std::move(script);
  return answer;
}

absl::StatusOr<v1::CloseExposureResponse> HandleCloseExposure(
    const Dependencies& on, const Caller& caller, const v1::CloseExposureRequest& request) {
  absl::StatusOr<v1::Exposure> exposure =
      exposure::Close(*on.store, request, caller.identity, on.now());
  if (!exposure.ok()) return exposure.status();
  spdlog::info("{} closed exposure {}", text::Printable(caller.identity), request.id());
  v1::CloseExposureResponse answer;
  *answer.mutable_exposure() = *std::move(exposure);
  return answer;
}

absl::StatusOr<v1::AddExposureNoteResponse> HandleAddExposureNote(
    const Dependencies& on, const Caller& caller, const v1::AddExposureNoteRequest& request) {
  absl::StatusOr<v1::ExposureNote> note =
      exposure::AddNote(*on.store, request, caller.identity, on.now());
  if (!note.ok()) return note.status();
  spdlog::info("{} added a note to exposure {}", text::Printable(caller.identity), request.id());
  v1::AddExposureNoteResponse answer;
  *answer.mutable_note() = *std::move(note);
  return answer;
}

}  // namespace skimwatch::api
