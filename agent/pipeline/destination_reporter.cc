#include "agent/pipeline/destination_reporter.h"

#include <utility>

#include "agent/pipeline/finding_builder.h"
#include "agent/traffic/message.h"

namespace skimwatch::pipeline {
namespace {

using Change = v1::DestinationChange;

const char* RuleOf(Change::Change change) {
  switch (change) {
    case Change::CHANGE_PROPOSED:
      return "destination.proposed";
    case Change::CHANGE_NEW:
      return "destination.new";
    case Change::CHANGE_OPAQUE_PAYLOAD:
      return "destination.opaque_payload";
    case Change::CHANGE_SEEN:
      return "destination.seen";
    default:
      return "destination.unknown";
  }
}

}  // namespace

v1::Finding BuildFinding(const traffic::DestinationEvent& event) {
  const Change& change = event.change;
  SightingOrigin origin = OriginOf(event.provenance, traffic::Part::kStream);
  v1::Finding finding;
  finding.set_site(event.site);
  finding.set_severity(event.severity);
  // That bytes look random is no proof of what they are.
  finding.set_confidence(change.change() == Change::CHANGE_OPAQUE_PAYLOAD ? v1::CONFIDENCE_MEDIUM
                                                                          : v1::CONFIDENCE_HIGH);
  finding.set_rule(RuleOf(change.change()));
  *finding.mutable_first_seen() = change.first_seen();
  *finding.mutable_last_seen() = change.last_seen();
  finding.set_count(1);
  finding.set_sampling_probability(origin.sampling_probability);
  *finding.mutable_provenance() = std::move(origin.provenance);
  finding.mutable_provenance()->clear_part();
  finding.set_destination(change.name());
  *finding.mutable_destination_change() = change;
  return finding;
}

}  // namespace skimwatch::pipeline
