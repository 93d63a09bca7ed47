#ifndef SKIMWATCH_COLLECTOR_SINK_EVENT_H_
#define SKIMWATCH_COLLECTOR_SINK_EVENT_H_

#include <string>

#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::sink {

enum class Content { kFinding, kExposure };

// What is sent to another system: a finding, or an exposure as it is at one moment.
struct Event {
  // The same whenever the same is sent again, and of nothing else: letters, digits and `-`.
  std::string id;
  Content content = Content::kFinding;
  v1::FindingKind kind = v1::FINDING_KIND_UNSPECIFIED;
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  std::string site;
  absl::Time time;
  // An OCSF Detection Finding in JSON, UTF-8 on one line.
  std::string body;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_EVENT_H_
