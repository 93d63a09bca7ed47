#include "collector/exposure/close.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"

namespace skimwatch::exposure {
absl::StatusOr<v1::Exposure> Close(store::Store& store, const v1::CloseExposureRequest& request,
                                   std::string_view who, absl::Time now) {
  if (request.reason().empty()) {
    return absl::InvalidArgumentError("reason: empty; say why the exposure is over");
  }
  v1::Exposure closed;
  absl::Status status = store.Write([&](store::Transaction& transaction) {
    absl::StatusOr<v1::Exposure> exposure = transaction.GetExposure(request.id());
    if (!exposure.ok()) return exposure.status();
    if (exposure->state() != v1::Exposure::STATE_OPEN) {
      return absl::FailedPreconditionError(
          absl::StrCat("exposure ", exposure->id(), " was closed by ", exposure->closed_by()));
    }
    closed = *std::move(exposure);
    return CloseOne(transaction, closed, who, request.reason(), now);
  });
  if (!status.ok()) return status;
  return closed;
}

absl::StatusOr<uint32_t> CloseQuiet(store::Store& store, absl::Duration quiet,
                                    uint32_t exposures_max, absl::Time now) {
  uint32_t closed = 0;
  absl::Status status = store.Write([&](store::Transaction& transaction) {
    closed = 0;
    absl::StatusOr<std::vector<v1::Exposure>> exposures =
        transaction.FindQuietExposures({v1::FINDING_KIND_CARD_NUMBER, v1::FINDING_KIND_TRACK_DATA,
                                        v1::FINDING_KIND_CANARY, v1::FINDING_KIND_BROWSER_REPORT},
                                       now - quiet, exposures_max);
    if (!exposures.ok()) return exposures.status();
    const std::string reason =
        absl::StrCat("nothing new for ", absl::FormatDuration(quiet), ": closed by itself");
    for (v1::Exposure& exposure : *exposures) {
      absl::Status s = CloseOne(transaction, exposure, kCollectorName, reason, now);
      if (!s.ok()) return s;
      ++closed;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return closed;
}

}  // namespace skimwatch::exposure
