#include "agent/pipeline/browser_report_reporter.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/pipeline/script_finding.h"
#include "agent/traffic/message.h"
#include "google/protobuf/util/time_util.h"

namespace skimwatch::pipeline {
namespace {

using google::protobuf::util::TimeUtil;

class Collector final : public card::MatchSink {
 public:
  explicit Collector(std::vector<CardSighting>& found) : found_(found), seen_at_(absl::Now()) {}
  void OnMatch(const card::CardMatch& match) override {
    found_.push_back(MakeSighting(match, nullptr, /*base=*/0, seen_at_));
  }

 private:
  std::vector<CardSighting>& found_;
  const absl::Time seen_at_;
};

v1::Provenance BrowserProvenance(std::string_view host, std::string_view page) {
  v1::Provenance provenance;
  provenance.set_source(v1::SOURCE_KIND_BROWSER_REPORT);
  provenance.set_direction(v1::DIRECTION_OUTBOUND_REQUEST);
  // Without the port, but for what is left of an IPv6 address.
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && !host.ends_with(']');
  const std::string_view name = has_port ? host.substr(0, colon) : host;
  provenance.set_host(name.data(), name.size());
  provenance.set_referrer(page.data(), page.size());
  return provenance;
}

std::shared_ptr<const SightingOrigin> OriginOf(const script::ReportPlace& place) {
  auto origin = std::make_shared<SightingOrigin>();
  origin->site = place.site;
  origin->path = place.path;
  origin->destination = !place.host.empty()   ? place.host
                        : !place.page.empty() ? place.page
                                              : "unknown";
  origin->provenance = BrowserProvenance(place.host, place.page);
  origin->provenance.set_part(place.part.data(), place.part.size());
  if (!place.path.empty()) {
    origin->provenance.set_path_template(traffic::PathTemplate(place.path));
  }
  return origin;
}

bool IsSameCard(const CardSighting& a, const CardSighting& b) {
  const auto x = a.digits.Reveal();
  const auto y = b.digits.Reveal();
  return x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin());
}

}  // namespace

BrowserReportReporter::BrowserReportReporter(const card::ScanOptions& options,
                                             const card::BrandTable& brands, FindingWriter& writer)
    : writer_(writer), stream_(options, brands) {}

BrowserReportReporter::~BrowserReportReporter() = default;

void BrowserReportReporter::Scan(std::string_view text, bool is_url,
                                 std::vector<CardSighting>& found) {
  Collector collector(found);
  stream_.Begin({.content_type = is_url ? "" : "application/json", .is_request = true});
  stream_.Feed(text, collector);
  stream_.Finish(collector);
}

size_t BrowserReportReporter::BeginBody(std::string_view body) {
  const auto started = std::chrono::steady_clock::now();
  found_.clear();
  Scan(body, /*is_url=*/false, found_);
  const absl::Duration time = absl::FromChrono(std::chrono::steady_clock::now() - started);
  absl::MutexLock lock(&mutex_);
  ++stats_.bodies;
  stats_.bytes += body.size();
  stats_.scan_time += time;
  return found_.size();
}

void BrowserReportReporter::OnField(const script::ReportPlace& place, std::string_view text) {
  std::vector<CardSighting> in_field;
  Scan(text, /*is_url=*/true, in_field);
  if (in_field.empty()) return;
  const std::shared_ptr<const SightingOrigin> origin = OriginOf(place);
  for (CardSighting& sighting : in_field) {
    CardSighting* same = nullptr;
    for (CardSighting& known : found_) {
      if (!IsSameCard(known, sighting)) continue;
      // Numbers that no field was found to hold yet come first.
      if (same == nullptr || (same->origin != nullptr && known.origin == nullptr)) same = &known;
    }
    // What stands around a number shows in the one or the other.
    if (same != nullptr && same->score > sighting.score) {
      sighting.score = same->score;
      sighting.confidence = same->confidence;
      sighting.kind = same->kind;
      sighting.evidence = same->evidence;
    }
    sighting.origin = origin;
    if (same != nullptr && same->origin == nullptr) {
      *same = std::move(sighting);
    } else {
      found_.push_back(std::move(sighting));
    }
  }
}

void BrowserReportReporter::EndBody(const script::ReportPlace& place) {
  {
    absl::MutexLock lock(&mutex_);
    stats_.matches += found_.size();
    stats_.bytes_not_decoded = stream_.bytes_not_decoded();
  }
  if (found_.empty()) return;
  std::shared_ptr<const SightingOrigin> origin;
  for (CardSighting& sighting : found_) {
    if (sighting.origin == nullptr) {
      if (origin == nullptr) origin = OriginOf(place);
      sighting.origin = origin;
    }
    writer_.Add(std::move(sighting));
  }
  found_.clear();
}

void BrowserReportReporter::OnReport(const script::FoldedReport& report) {
  v1::Finding finding;
  finding.set_site(report.site);
  finding.set_severity(report.severity);
  finding.set_confidence(report.confidence);
  finding.set_rule(report.report.type() == "csp-violation" ? "browser.csp_violation"
                                                           : "browser.integrity_violation");
  *finding.mutable_first_seen() =
      TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(report.first_seen));
  *finding.mutable_last_seen() =
      TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(report.last_seen));
  finding.set_count(report.count);
  finding.set_sampling_probability(1);
  *finding.mutable_provenance() = BrowserProvenance("", report.report.page());
  finding.mutable_provenance()->set_part("report");
  finding.set_destination(report.destination);
  *finding.mutable_browser_report() = report.report;
  writer_.Add(std::move(finding));
}

void BrowserReportReporter::OnChange(std::string_view site, const v1::ScriptChange& change,
                                     v1::Severity severity) {
  v1::Finding finding = MakeScriptFinding(site, change, severity, v1::CONFIDENCE_MEDIUM);
  *finding.mutable_provenance() = BrowserProvenance("", change.page());
  finding.mutable_provenance()->set_part("report");
  writer_.Add(std::move(finding));
}

BrowserReportReporter::Stats BrowserReportReporter::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace skimwatch::pipeline
