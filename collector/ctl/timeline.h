#ifndef SKIMWATCH_COLLECTOR_CTL_TIMELINE_H_
#define SKIMWATCH_COLLECTOR_CTL_TIMELINE_H_

#include <string>

#include "skimwatch/v1/timeline.pb.h"

namespace skimwatch::ctl {

// A timeline's parts in words, for tables, reports and pages. What they quote is text from outside.

// What happened, in a few words: `first seen`, `script changed`, `note`.
std::string EventName(const v1::TimelineEvent& event);
// What there is to say about it; may be empty.
std::string EventText(const v1::TimelineEvent& event);

// Why an agent could not see all: `not heard for 40m0s`, `shed 3.1 MB`.
std::string GapText(const v1::CoverageGap& gap);

// What the timeline leaves out, one sentence each; empty when nothing.
std::string LeftOutNote(const v1::ExposureTimeline& timeline);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_TIMELINE_H_
