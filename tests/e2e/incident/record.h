#ifndef SKIMWATCH_TESTS_E2E_INCIDENT_RECORD_H_
#define SKIMWATCH_TESTS_E2E_INCIDENT_RECORD_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/stored_finding.pb.h"

namespace skimwatch::e2e {

// Who can see something of an incident, in the order in which the document has them.
enum class Sensor {
  kVendorWebRoot,
  kPageScript,
  kPageCanary,
  kBrowserHash,
  kBrowserViolation,
  kBrowserCard,
  kVendorTraffic,
  kShopTraffic,
};
inline constexpr size_t kSensors = 8;

std::string_view NameOf(Sensor sensor);
// Whose finding it is, of those that an incident makes. Nothing for proposals, restorations, what
// goes where it may, and what is information only.
std::optional<Sensor> SensorOf(const v1::Finding& finding);

// What one sensor made of one version of the script.
struct Sighting {
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  // From the moment when the version was there until the first finding was stored.
  absl::Duration after = absl::InfiniteDuration();
  bool seen() const { return severity != v1::SEVERITY_UNSPECIFIED; }
};

struct Sightings {
  Sighting of[kSensors];
  Sighting& operator[](Sensor sensor) { return of[static_cast<size_t>(sensor)]; }
  const Sighting& operator[](Sensor sensor) const { return of[static_cast<size_t>(sensor)]; }
};
Sightings SightingsOf(const std::vector<v1::StoredFinding>& findings, absl::Time since);

struct Alert {
  std::string name;
  std::string site;
  absl::Duration after;
};

// What `skimwatchctl exposures report` says of the exposure of cards.
struct ReportAnswers {
  absl::Duration window;
  std::string script;
  std::string version;
  std::string channel;
  std::string destination;
  size_t distinct_cards = 0;
  std::string encodings;
};

// What `skimwatchctl card check` says of the customers.
struct CardAnswers {
  size_t skimmed = 0;
  size_t skimmed_found = 0;
  size_t others = 0;
  size_t others_found = 0;
  // The thief has them, and no sensor saw them.
  size_t unseen = 0;
  size_t unseen_found = 0;
};

struct StyleRecord {
  std::string title;
  // What the skimmer does, and what the path that was watched stands for.
  std::string story;
  Sightings sightings;
  // In the look before the one that saw all, where there was one.
  std::optional<Sightings> first_look;
  // Of the vendor's web root, gravest first.
  std::vector<std::string> reasons;
  std::vector<Alert> alerts;
  ReportAnswers report;
  CardAnswers cards;
};

struct IncidentRecord {
  size_t approved_on_day_0 = 0;
  Sightings update;
  std::vector<Alert> update_alerts;
  std::vector<StyleRecord> styles;
  size_t customers = 0;
};

}  // namespace skimwatch::e2e

#endif  // SKIMWATCH_TESTS_E2E_INCIDENT_RECORD_H_
