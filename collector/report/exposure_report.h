#ifndef SKIMWATCH_COLLECTOR_REPORT_EXPOSURE_REPORT_H_
#define SKIMWATCH_COLLECTOR_REPORT_EXPOSURE_REPORT_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "skimwatch/v1/report.pb.h"

namespace skimwatch::report {

// Puts together what the store knows about an exposure: itself, its findings and decisions, what
// else happened to the site meanwhile, how much of the time the site's agents looked at, and how it
// went.
// NOT_FOUND: no such exposure. `now` is when the report is made; an open exposure goes on until
// then, and one of a script or a destination until it was closed.
absl::StatusOr<v1::ExposureReport> MakeExposureReport(store::Store& store, uint64_t id,
                                                      std::string_view version, absl::Time now);

}  // namespace skimwatch::report

#endif  // SKIMWATCH_COLLECTOR_REPORT_EXPOSURE_REPORT_H_
