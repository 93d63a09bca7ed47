#include "agent/pipeline/page_reporter.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "agent/pipeline/card_sighting.h"
#include "agent/traffic/message.h"
#include "google/protobuf/util/time_util.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"
#include "spdlog/spdlog.h"

namespace skimwatch::pipeline {
namespace {

using google::protobuf::util::TimeUtil;

// Provenance.referrer (proto/validation/text_limits.cc).
constexpr size_t kReferrerBytesMax = 512;

v1::Provenance ProvenanceOf(const script::PageDeparture& departure) {
  v1::Provenance provenance;
  provenance.set_source(v1::SOURCE_KIND_PAGE);
  provenance.set_direction(v1::DIRECTION_OUTBOUND_REQUEST);
  provenance.set_host(departure.host);
  if (departure.method == "WEBSOCKET") {
    provenance.set_protocol(v1::PROTOCOL_WEBSOCKET);
  } else {
    std::string method = departure.method;
    validation::MaskCardNumbers(method);
    provenance.set_method(std::move(method));
  }
  if (!departure.path.empty()) {
    provenance.set_path_template(traffic::PathTemplate(departure.path));
  }
  provenance.set_part(departure.part);
  std::string page = departure.page;
  validation::CutUtf8(page, kReferrerBytesMax);
  provenance.set_referrer(std::move(page));
  return provenance;
}

// What goes out with neither body nor query says little, unless it is the canary.
v1::Severity SeverityOfDeparture(const script::PageDeparture& departure) {
  if (departure.has_canary) return v1::SEVERITY_CRITICAL;
  return departure.part.empty() ? v1::SEVERITY_MEDIUM : v1::SEVERITY_HIGH;
}

}  // namespace

void PageReporter::OnCanaryTyped(std::string_view site, std::string_view page,
                                 std::string_view run_id, std::string_view number) {
  const absl::Status added = canaries_.Add(number, site, page, run_id);
  if (!added.ok()) {
    spdlog::error("pages: a canary that is seen elsewhere will not be known: {}", added.ToString());
  }
}

void PageReporter::OnDeparture(const script::PageDeparture& departure) {
  v1::Finding finding;
  finding.set_site(departure.site);
  finding.set_severity(SeverityOfDeparture(departure));
  finding.set_confidence(departure.has_canary ? v1::CONFIDENCE_HIGH : v1::CONFIDENCE_MEDIUM);
  finding.set_rule(departure.has_canary ? "canary.departed" : "canary.unapproved_destination");
  *finding.mutable_first_seen() =
      TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(absl::Now()));
  *finding.mutable_last_seen() = finding.first_seen();
  finding.set_count(1);
  finding.set_sampling_probability(1);
  *finding.mutable_provenance() = ProvenanceOf(departure);
  finding.set_destination(departure.destination);
  v1::Canary& canary = *finding.mutable_canary();
  canary.set_page(departure.page);
  canary.set_run_id(departure.run_id);
  canary.set_script(departure.script);
  canary.set_undecoded(!departure.has_canary);
  for (const std::string& encoding : departure.encodings) canary.add_encodings(encoding);
  writer_.Add(std::move(finding));
}

void PageReporter::OnCard(const script::PageDeparture& place, const card::CardMatch& match) {
  auto origin = std::make_shared<SightingOrigin>();
  origin->site = place.site;
  origin->path = place.path;
  origin->destination = place.destination;
  origin->provenance = ProvenanceOf(place);
  writer_.Add(MakeSighting(match, std::move(origin), /*base=*/0, absl::Now()));
}

}  // namespace skimwatch::pipeline
