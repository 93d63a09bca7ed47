#include "tests/e2e/incident/record.h"

#include <algorithm>

#include "google/protobuf/util/time_util.h"

namespace skimwatch::e2e {

using google::protobuf::util::TimeUtil;
using Change = v1::ScriptChange;

std::string_view NameOf(Sensor sensor) {
  switch (sensor) {
    case Sensor::kVendorWebRoot:
      return "vendor: web root, script";
    case Sensor::kPageScript:
      return "shop: look at the page, script";
    case Sensor::kPageCanary:
      return "shop: look at the page, canary";
    case Sensor::kBrowserHash:
      return "shop: browser reports, script";
    case Sensor::kBrowserViolation:
      return "shop: browser reports, violation";
    case Sensor::kBrowserCard:
      return "shop: browser reports, card";
    case Sensor::kVendorTraffic:
      return "vendor: traffic, card";
    case Sensor::kShopTraffic:
      return "shop: gateway, card";
  }
  return "";
}

std::optional<Sensor> SensorOf(const v1::Finding& finding) {
  const v1::SourceKind source = finding.provenance().source();
  if (finding.expected() || finding.severity() <= v1::SEVERITY_INFO) return std::nullopt;
  if (finding.has_canary()) return Sensor::kPageCanary;
  if (finding.has_browser_report()) return Sensor::kBrowserViolation;
  if (finding.has_script_change()) {
    const Change::Change change = finding.script_change().change();
    if (change != Change::CHANGE_ADDED && change != Change::CHANGE_CHANGED) return std::nullopt;
    switch (source) {
      case v1::SOURCE_KIND_WEB_ROOT:
        return Sensor::kVendorWebRoot;
      case v1::SOURCE_KIND_PAGE:
        return Sensor::kPageScript;
      case v1::SOURCE_KIND_BROWSER_REPORT:
        return Sensor::kBrowserHash;
      default:
        return std::nullopt;
    }
  }
  if (finding.has_card_number() || finding.has_track_data()) {
    if (source == v1::SOURCE_KIND_BROWSER_REPORT) return Sensor::kBrowserCard;
    if (source == v1::SOURCE_KIND_PACKET_CAPTURE) return Sensor::kVendorTraffic;
    if (source == v1::SOURCE_KIND_MIRROR) return Sensor::kShopTraffic;
  }
  return std::nullopt;
}

Sightings SightingsOf(const std::vector<v1::StoredFinding>& findings, absl::Time since) {
  Sightings sightings;
  for (const v1::StoredFinding& stored : findings) {
    const std::optional<Sensor> sensor = SensorOf(stored.finding());
    if (!sensor.has_value()) continue;
    Sighting& sighting = sightings[*sensor];
    sighting.severity = std::max(sighting.severity, stored.finding().severity());
    sighting.after = std::min(
        sighting.after,
        absl::FromUnixMillis(TimeUtil::TimestampToMilliseconds(stored.stored_at())) - since);
  }
  return sightings;
}

}  // namespace skimwatch::e2e
