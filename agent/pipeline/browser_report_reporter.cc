#include "agent/pipeline/browser_report_reporter.h"

#include <algorithm>
#include <chrono>
#include <functional>
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
  explicit Collector(const std::function<void(CardSighting)>& take)
      : take_(take), seen_at_(absl::Now()) {}
  void OnMatch(const card::CardMatch& match) override {
    take_(MakeSighting(match, nullptr, /*base=*/0, seen_at_));
  }

 private:
  const std::function<void(CardSighting)>& take_;
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

bool IsSameCard(const CardSighting& a, const CardSighting& b) {
  const auto x = a.digits.Reveal();
  const auto y = b.digits.Reveal();
  return x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin());
}

}  // namespace

BrowserReportReporter::BrowserReportReporter(const Options& options, const card::BrandTable& brands,
                                             FindingWriter& writer)
    : options_(options),
      writer_(writer),
      stream_(options.scan, brands),
      rate_(options.rate),
      said_({.networks_min = options.networks_min}) {}

BrowserReportReporter::~BrowserReportReporter() = default;

void BrowserReportReporter::Scan(std::string_view text, bool is_url, const TakeSighting& take) {
  Collector collector(take);
  stream_.Begin({.content_type = is_url ? "" : "application/json", .is_request = true});
  stream_.Feed(text, collector);
  stream_.Finish(collector);
}

std::shared_ptr<const SightingOrigin> BrowserReportReporter::OriginOf(
    const script::ReportPlace& place) {
  auto origin = std::make_shared<SightingOrigin>();
  origin->site = place.site;
  origin->path = place.path;
  origin->destination = !place.host.empty()   ? place.host
                        : !place.page.empty() ? place.page
                                              : "unknown";
  origin->unconfirmed =
      !place.is_known && !said_.Add(origin->destination, reporter_, options_.now());
  origin->provenance = BrowserProvenance(place.host, place.page);
  origin->provenance.set_part(place.part.data(), place.part.size());
  if (!place.path.empty()) {
    origin->provenance.set_path_template(traffic::PathTemplate(place.path));
  }
  return origin;
}

bool BrowserReportReporter::Keep(CardSighting& sighting) {
  if (found_.size() < options_.sightings_of_body_max) {
    found_.push_back(std::move(sighting));
    return true;
  }
  const auto is_it = [](const CardSighting& one) {
    return [&one](const CardSighting& other) { return IsSameCard(one, other); };
  };
  if (std::any_of(found_.begin(), found_.end(), is_it(sighting))) return false;
  // A number that was not seen yet is worth more than one that was seen twice.
  for (auto it = found_.begin(); it != found_.end(); ++it) {
    if (std::none_of(found_.begin(), it, is_it(*it))) continue;
    *it = std::move(sighting);
    break;
  }
  return false;
}

size_t BrowserReportReporter::BeginBody(std::string_view body, const script::Reporter& reporter) {
  const auto started = std::chrono::steady_clock::now();
  found_.clear();
  left_out_of_body_ = left_out_of_fields_ = 0;
  reporter_ = reporter;
  Scan(body, /*is_url=*/false, [this](CardSighting sighting) {
    if (!Keep(sighting)) ++left_out_of_body_;
  });
  const absl::Duration time = absl::FromChrono(std::chrono::steady_clock::now() - started);
  absl::MutexLock lock(&mutex_);
  ++stats_.bodies;
  stats_.bytes += body.size();
  stats_.scan_time += time;
  return found_.size() + left_out_of_body_;
}

void BrowserReportReporter::Place(CardSighting sighting,
                                  const std::shared_ptr<const SightingOrigin>& origin) {
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
  } else if (!Keep(sighting)) {
    ++left_out_of_fields_;
  }
}

void BrowserReportReporter::OnField(const script::ReportPlace& place, std::string_view text) {
  std::shared_ptr<const SightingOrigin> origin;
  Scan(text, /*is_url=*/true, [&](CardSighting sighting) {
    if (origin == nullptr) origin = OriginOf(place);
    Place(std::move(sighting), origin);
  });
}

size_t BrowserReportReporter::EndBody(const script::ReportPlace& place) {
  size_t left_out = std::max(left_out_of_body_, left_out_of_fields_);
  size_t taken = 0;
  std::shared_ptr<const SightingOrigin> origin;
  for (CardSighting& sighting : found_) {
    if (rate_.Take(reporter_.network, options_.now()) != script::RateLimit::Verdict::kAllowed) {
      ++left_out;
      continue;
    }
    if (sighting.origin == nullptr) {
      if (origin == nullptr) origin = OriginOf(place);
      sighting.origin = origin;
    }
    writer_.Add(std::move(sighting));
    ++taken;
  }
  found_.clear();
  absl::MutexLock lock(&mutex_);
  stats_.matches += taken;
  stats_.bytes_not_decoded = stream_.bytes_not_decoded();
  return left_out;
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
