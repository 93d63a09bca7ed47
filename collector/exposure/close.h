#ifndef SKIMWATCH_COLLECTOR_EXPOSURE_CLOSE_H_
#define SKIMWATCH_COLLECTOR_EXPOSURE_CLOSE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/exposure.pb.h"

namespace skimwatch::exposure {

// Closes an exposure in the name of `who` and keeps the decision.
// INVALID_ARGUMENT: no reason. NOT_FOUND: no such exposure. FAILED_PRECONDITION: closed already.
absl::StatusOr<v1::Exposure> Close(store::Store& store, const v1::CloseExposureRequest& request,
                                   std::string_view who, absl::Time now);

// Closes open card exposures that nothing was added to for `quiet`, at most `exposures_max` in one
// transaction, and returns how many. Changes of scripts and headers stay open until they are
// undone or approved: nothing new is to be expected of them.
absl::StatusOr<uint32_t> CloseQuiet(store::Store& store, absl::Duration quiet,
                                    uint32_t exposures_max, absl::Time now);

}  // namespace skimwatch::exposure

#endif  // SKIMWATCH_COLLECTOR_EXPOSURE_CLOSE_H_
