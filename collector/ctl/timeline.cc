#include "collector/ctl/timeline.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "collector/ctl/describe.h"
#include "proto/text/units.h"

namespace skimwatch::ctl {

using v1::TimelineEvent;

std::string EventName(const TimelineEvent& event) {
  switch (event.kind()) {
    case TimelineEvent::KIND_FIRST_SEEN:
      return "first seen";
    case TimelineEvent::KIND_LAST_SEEN:
      return "last seen";
    case TimelineEvent::KIND_SEVERITY:
      return absl::StrCat("severity ", Word(*v1::Severity_descriptor(), event.severity()));
    case TimelineEvent::KIND_SCRIPT_VERSION:
      return "script version";
    case TimelineEvent::KIND_DECISION:
      return absl::StrReplaceAll(event.action(), {{".", " "}, {"_", " "}});
    case TimelineEvent::KIND_NOTE:
      return "note";
    case TimelineEvent::KIND_CLOSED:
      return "closed";
    case TimelineEvent::KIND_OPENED_BEFORE:
      return "was open before";
    case TimelineEvent::KIND_OPENED_AGAIN:
      return "opened again";
    default:
      return Word(*TimelineEvent::Kind_descriptor(), event.kind());
  }
}

std::string EventText(const TimelineEvent& event) {
  switch (event.kind()) {
    case TimelineEvent::KIND_FIRST_SEEN:
      return event.text().empty() ? event.subject()
                                  : absl::StrCat(event.subject(), " to ", event.text());
    case TimelineEvent::KIND_SCRIPT_VERSION:
      return absl::StrCat(event.subject(), " ", Hex(event.sha256(), /*is_short=*/true),
                          event.text().empty() ? "" : ": ", event.text());
    case TimelineEvent::KIND_DECISION: {
      const std::string version =
          event.sha256().empty() ? "" : absl::StrCat(" ", Hex(event.sha256(), /*is_short=*/true));
      return absl::StrCat(event.subject(), version, ": ", event.text());
    }
    case TimelineEvent::KIND_OPENED_BEFORE:
    case TimelineEvent::KIND_OPENED_AGAIN:
      return absl::StrCat("exposure ", event.exposure_id());
    default:
      return event.text();
  }
}

std::string GapText(const v1::CoverageGap& gap) {
  std::vector<std::string> parts;
  if (gap.unheard_seconds() > 0) {
    parts.push_back(absl::StrCat(
        "not heard for ",
        absl::FormatDuration(absl::Trunc(absl::Seconds(gap.unheard_seconds()), absl::Seconds(1)))));
  }
  if (gap.truncated_bytes() > 0) {
    parts.push_back(absl::StrCat("truncated ", text::Bytes(gap.truncated_bytes())));
  }
  if (gap.shed_bytes() > 0) parts.push_back(absl::StrCat("shed ", text::Bytes(gap.shed_bytes())));
  if (gap.undecodable_bytes() > 0) {
    parts.push_back(absl::StrCat("could not read ", text::Bytes(gap.undecodable_bytes())));
  }
  return absl::StrJoin(parts, ", ");
}

std::string LeftOutNote(const v1::ExposureTimeline& timeline) {
  std::vector<std::string> notes;
  if (timeline.events_left_out() > 0) {
    notes.push_back(absl::StrCat(timeline.events_left_out(), " older events are left out."));
  }
  if (timeline.findings_without_bucket() > 0) {
    notes.push_back(absl::StrCat(timeline.findings_without_bucket(),
                                 " findings are in no hour: they were stored before the collector "
                                 "counted by the hour."));
  }
  if (timeline.gaps_left_out() > 0) {
    notes.push_back(absl::StrCat(timeline.gaps_left_out(), " shorter gaps are left out."));
  }
  if (timeline.gap_agents_left_out() > 0) {
    notes.push_back(absl::StrCat(timeline.gap_agents_left_out(),
                                 " more agents of the site were not looked at for gaps."));
  }
  return absl::StrJoin(notes, " ");
}

}  // namespace skimwatch::ctl
