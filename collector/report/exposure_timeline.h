#ifndef SKIMWATCH_COLLECTOR_REPORT_EXPOSURE_TIMELINE_H_
#define SKIMWATCH_COLLECTOR_REPORT_EXPOSURE_TIMELINE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "skimwatch/v1/report.pb.h"

namespace skimwatch::report {

// An agent of the site whose hours are looked at for gaps.
struct WatchingAgent {
  std::string identity;
  // What came before is no gap: it was not there yet.
  absl::Time first_seen;
};

// Fills `report.timeline` from what the rest of the report says and from the store: events in the
// order of time, growth by the hour or day, notes, and when the site's agents could not see all
// that left. The time is [`since`, `until`].
absl::Status AddTimeline(store::Store& store, absl::Time since, absl::Time until,
                         const std::vector<WatchingAgent>& agents, v1::ExposureReport& report);

}  // namespace skimwatch::report

#endif  // SKIMWATCH_COLLECTOR_REPORT_EXPOSURE_TIMELINE_H_
