#ifndef SKIMWATCH_COLLECTOR_API_HANDLERS_H_
#define SKIMWATCH_COLLECTOR_API_HANDLERS_H_

#include "absl/status/statusor.h"
#include "collector/api/authorization.h"
#include "collector/api/services.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::api {

// What calls do that are more than a read of the store, once their caller was admitted and their
// request checked, whichever way they came. Decisions are logged with who made them.

// False where the caller has only the role of a viewer: who may not ask after a card must not be
// able to try all of them against a list.
bool SeesFingerprints(const Dependencies& on, const Caller& caller);
void HideFingerprint(v1::StoredFinding& stored);

// These leave out the fingerprints of cards where the caller may not see them.
absl::StatusOr<v1::GetExposureResponse> HandleGetExposure(const Dependencies& on,
                                                          const Caller& caller,
                                                          const v1::GetExposureRequest& request);
absl::StatusOr<v1::GetExposureReportResponse> HandleGetExposureReport(
    const Dependencies& on, const Caller& caller, const v1::GetExposureReportRequest& request);
absl::StatusOr<v1::ListFindingsResponse> HandleListFindings(const Dependencies& on,
                                                            const Caller& caller,
                                                            const v1::ListFindingsRequest& request);

absl::StatusOr<v1::GetScriptResponse> HandleGetScript(const Dependencies& on,
                                                      const v1::GetScriptRequest& request);
absl::StatusOr<v1::ApproveScriptResponse> HandleApproveScript(
    const Dependencies& on, const Caller& caller, const v1::ApproveScriptRequest& request);
absl::StatusOr<v1::RevokeScriptResponse> HandleRevokeScript(const Dependencies& on,
                                                            const Caller& caller,
                                                            const v1::RevokeScriptRequest& request);
absl::StatusOr<v1::CloseExposureResponse> HandleCloseExposure(
    const Dependencies& on, const Caller& caller, const v1::CloseExposureRequest& request);
absl::StatusOr<v1::AddExposureNoteResponse> HandleAddExposureNote(
    const Dependencies& on, const Caller& caller, const v1::AddExposureNoteRequest& request);

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_HANDLERS_H_
