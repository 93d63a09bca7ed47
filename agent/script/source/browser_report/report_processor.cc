#include "agent/script/source/browser_report/report_processor.h"

#include <fnmatch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/script/source/browser_report/report_parser.h"

namespace skimwatch::script {
namespace {

constexpr absl::Duration kSweepEvery = absl::Minutes(1);

ReportOutcome OutcomeOf(ParsedReports::End end) {
  if (end == ParsedReports::End::kTooDeep) return ReportOutcome::kTooDeep;
  if (end == ParsedReports::End::kTooMany) return ReportOutcome::kTooMany;
  return ReportOutcome::kNotJson;
}

ReportOutcome OutcomeOf(ReportNoise::Kind kind) {
  switch (kind) {
    case ReportNoise::Kind::kExtension:
      return ReportOutcome::kNoiseExtension;
    case ReportNoise::Kind::kInternal:
      return ReportOutcome::kNoiseInternal;
    case ReportNoise::Kind::kInline:
      return ReportOutcome::kNoiseInline;
    case ReportNoise::Kind::kHost:
    case ReportNoise::Kind::kNone:
      break;
  }
  return ReportOutcome::kNoiseHost;
}

ReportOutcome OutcomeOf(BrowserInventory::Outcome outcome) {
  switch (outcome) {
    case BrowserInventory::Outcome::kTaken:
      return ReportOutcome::kCspHash;
    case BrowserInventory::Outcome::kNoHash:
      return ReportOutcome::kNoHash;
    case BrowserInventory::Outcome::kBadHash:
      return ReportOutcome::kBadHash;
    case BrowserInventory::Outcome::kManyVersions:
      return ReportOutcome::kManyVersions;
    case BrowserInventory::Outcome::kContradicting:
      return ReportOutcome::kContradicting;
    case BrowserInventory::Outcome::kFull:
      break;
  }
  return ReportOutcome::kFull;
}

// `host:port`, without a default port.
std::string HostAndPort(const ReportedAddress& address) {
  return ShownHost(std::string_view(address.origin).substr(address.origin.find("://") + 3));
}

ReportPlace PlaceOf(const std::string& site, const std::string& page, bool is_known,
                    const std::optional<ReportedAddress>& target) {
  ReportPlace place{.site = site, .page = page, .is_known = is_known, .part = "report"};
  if (target.has_value()) {
    place.host = HostAndPort(*target);
    place.path = target->path;
  }
  return place;
}

}  // namespace

std::string_view ReportOutcomeName(ReportOutcome outcome) {
  static constexpr std::array<std::string_view, static_cast<size_t>(ReportOutcome::kCount)> kNames =
      {"csp_violation",  "csp_hash",      "integrity_violation",
       "other_page",     "other",         "noise_extension",
       "noise_internal", "noise_inline",  "noise_host",
       "unknown_site",   "malformed",     "not_json",
       "too_deep",       "too_many",      "no_hash",
       "bad_hash",       "many_versions", "contradicting",
       "full",           "cards_left_out"};
  return outcome < ReportOutcome::kCount ? kNames[static_cast<size_t>(outcome)] : "unknown";
}

ReportProcessor::ReportProcessor(const Options& options, const BrowserState& state,
                                 ReportSink& sink)
    : options_(options),
      sink_(sink),
      noise_(options.noise_hosts),
      folder_({.browsers_min = options.browsers_min,
               .window = options.fold_window,
               .path_template = options.path_template},
              sink),
      inventory_({.browsers_min = options.browsers_min,
                  .learning = options.learning,
                  .restore_after = options.restore_after,
                  .site_of_host = options.site_of_host},
                 state, sink) {}

void ReportProcessor::LookForCards(const ReportPlace& place, const Report& report) {
  ReportPlace field = place;
  const auto look = [&](std::string_view part, const std::string& text) {
    if (text.empty()) return;
    field.part = part;
    sink_.OnField(field, text);
  };
  look("blocked_url", report.blocked_url);
  look("sample", report.sample);
  look("source_file", report.source_file);
  // These lead to the page itself.
  field.host.clear();
  field.path.clear();
  look("document_url", report.document_url);
  look("referrer", report.referrer);
}

ReportProcessor::Page ReportProcessor::PageOf(std::string_view document_url) const {
  const std::optional<ReportedAddress> address = ParseReportedAddress(document_url);
  if (!address.has_value()) return {};
  Page page{.site = options_.site_of_host(address->host),
            .name = ShownAddress(*address, options_.path_template)};
  page.has_inventory =
      options_.pages.empty() ||
      std::any_of(options_.pages.begin(), options_.pages.end(), [&](const std::string& glob) {
        return fnmatch(glob.c_str(), address->path.c_str(), 0) == 0;
      });
  return page;
}

ReportOutcome ReportProcessor::Judge(const Page& page, const Report& report,
                                     const Reporter& reporter, absl::Time now) {
  switch (report.type) {
    case Report::Type::kOther:
      return ReportOutcome::kOther;
    case Report::Type::kCspHash: {
      if (!page.has_inventory) return ReportOutcome::kOtherPage;
      const std::optional<ReportedAddress> script = ParseReportedAddress(report.blocked_url);
      if (!script.has_value()) return ReportOutcome::kMalformed;
      return OutcomeOf(inventory_.Add(page.site, page.name, *script, report.hash, reporter, now));
    }
    case Report::Type::kCspViolation:
    case Report::Type::kIntegrityViolation:
      break;
  }
  const ReportNoise::Kind noise = noise_.KindOf(report);
  if (noise != ReportNoise::Kind::kNone) return OutcomeOf(noise);
  switch (folder_.Add(page.site, page.name, report, reporter, now)) {
    case ReportFolder::Outcome::kContradicting:
      return ReportOutcome::kContradicting;
    case ReportFolder::Outcome::kFull:
      return ReportOutcome::kFull;
    case ReportFolder::Outcome::kTaken:
      break;
  }
  return report.type == Report::Type::kCspViolation ? ReportOutcome::kCspViolation
                                                    : ReportOutcome::kIntegrityViolation;
}

void ReportProcessor::Process(std::string_view body, const Reporter& reporter, absl::Time now,
                              Counts& counts) {
  const auto count = [&](ReportOutcome outcome, uint64_t by = 1) {
    counts[static_cast<size_t>(outcome)] += by;
  };
  // Nothing is done with what came before it was searched.
  const size_t cards = sink_.BeginBody(body, reporter);
  // An escape in a text can hide from the search of the body what a search of the text shows.
  const bool may_hold_cards = cards > 0 || body.find('\\') != std::string_view::npos;
  const ParsedReports parsed = ParseReports(body, options_.reports_max);
  if (parsed.end != ParsedReports::End::kComplete) count(OutcomeOf(parsed.end));
  count(ReportOutcome::kMalformed, parsed.malformed);

  ReportPlace first{.site = options_.default_site, .part = "report"};
  bool is_first = true;
  // The reports of a body are mostly of one page.
  std::string_view document;
  Page page;
  for (const Report& report : parsed.reports) {
    if (report.document_url != document || is_first) {
      document = report.document_url;
      page = PageOf(document);
    }
    if (may_hold_cards) {
      const bool is_known = !page.site.empty();
      const ReportPlace place = PlaceOf(is_known ? page.site : options_.default_site, page.name,
                                        is_known, ParseReportedAddress(report.blocked_url));
      if (is_first) first = place;
      LookForCards(place, report);
    }
    is_first = false;
    count(page.site.empty() ? ReportOutcome::kUnknownSite : Judge(page, report, reporter, now));
    count(ReportOutcome::kFull, inventory_.TakeForgotten());
  }
  count(ReportOutcome::kCardsLeftOut, sink_.EndBody(first));
}

void ReportProcessor::Advance(absl::Time now) {
  folder_.Expire(now);
  if (now - swept_ < kSweepEvery && now >= swept_) return;
  swept_ = now;
  inventory_.Sweep(now);
}

}  // namespace skimwatch::script
