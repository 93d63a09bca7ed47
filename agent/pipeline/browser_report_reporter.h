#ifndef SKIMWATCH_AGENT_PIPELINE_BROWSER_REPORT_REPORTER_H_
#define SKIMWATCH_AGENT_PIPELINE_BROWSER_REPORT_REPORTER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/card_sighting.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/script/source/browser_report/corroboration.h"
#include "agent/script/source/browser_report/rate_limit.h"
#include "agent/script/source/browser_report/report.h"
#include "agent/script/source/browser_report/report_sink.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// Turns what shoppers' browsers report into findings. A card number in a report is one that was
// being stolen, in an address that a policy blocked: a finding of the browser's own, with the host
// that it was to go to.
//
// Anybody can send reports, and the way to findings is that of all sensors. So of one body and of
// one network no more numbers are taken than shoppers have to tell of, and a number that no page of
// the site is said to have sent is at most medium until several networks reported one that was to
// go to the same place.
//
// One an endpoint, on its thread; `stats()` may be called from anywhere. `brands` and `writer` must
// outlive it.
class BrowserReportReporter final : public script::ReportSink {
 public:
  using Clock = script::RateLimit::Clock;

  struct Options {
    card::ScanOptions scan;
    // Networks that must report a number on its way to one place within a day, where the page is
    // none that is known.
    size_t networks_min = 3;
    // Numbers of one body, with repeats.
    size_t sightings_of_body_max = 8;
    // Numbers of one network and of all: a client is a network, a request a number.
    script::RateLimit::Options rate = {
        .client_rate = 0.2, .client_burst = 32, .total_rate = 100, .total_burst = 2000};
    std::function<Clock::time_point()> now = Clock::now;
  };

  struct Stats {
    uint64_t bodies = 0;
    uint64_t bytes = 0;
    // Of these, numbers that were taken.
    uint64_t matches = 0;
    absl::Duration scan_time;
    // As in MessageScanner::Stats.
    uint64_t bytes_not_decoded = 0;
  };

  BrowserReportReporter(const Options& options, const card::BrandTable& brands,
                        FindingWriter& writer);
  ~BrowserReportReporter() override;

  size_t BeginBody(std::string_view body, const script::Reporter& reporter) override;
  void OnField(const script::ReportPlace& place, std::string_view text) override;
  size_t EndBody(const script::ReportPlace& place) override;
  void OnReport(const script::FoldedReport& report) override;
  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override;

  Stats stats() const;

 private:
  using TakeSighting = std::function<void(CardSighting)>;

  void Scan(std::string_view text, bool is_url, const TakeSighting& take);
  // Adds a sighting to those of the body; false when there is no room.
  bool Keep(CardSighting& sighting);
  // A field of the body holds it.
  void Place(CardSighting sighting, const std::shared_ptr<const SightingOrigin>& origin);
  std::shared_ptr<const SightingOrigin> OriginOf(const script::ReportPlace& place);

  const Options options_;
  FindingWriter& writer_;
  card::ScanStream stream_;
  script::RateLimit rate_;
  // That numbers of no page that is known were to go to a place.
  script::Corroboration said_;
  // Of the body at hand; without an origin until a field is found to hold it.
  std::vector<CardSighting> found_;
  script::Reporter reporter_;
  // Numbers for which there was no room, in the body as a whole and in its fields: the same ones,
  // for the most part.
  size_t left_out_of_body_ = 0;
  size_t left_out_of_fields_ = 0;
  mutable absl::Mutex mutex_;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_BROWSER_REPORT_REPORTER_H_
