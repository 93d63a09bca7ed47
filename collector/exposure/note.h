#ifndef SKIMWATCH_COLLECTOR_EXPOSURE_NOTE_H_
#define SKIMWATCH_COLLECTOR_EXPOSURE_NOTE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/exposure.pb.h"

namespace skimwatch::exposure {

// The action of a decision that is a note; see v1::Decision.
inline constexpr std::string_view kNoteAction = "exposure.note";

// Keeps a note about an exposure, open or closed, in the name of `who`: a decision of the sealed
// log, so that nobody can take it back unseen. Card numbers in it are masked before it is kept.
// INVALID_ARGUMENT: no text. NOT_FOUND: no such exposure.
absl::StatusOr<v1::ExposureNote> AddNote(store::Store& store,
                                         const v1::AddExposureNoteRequest& request,
                                         std::string_view who, absl::Time now);

}  // namespace skimwatch::exposure

#endif  // SKIMWATCH_COLLECTOR_EXPOSURE_NOTE_H_
