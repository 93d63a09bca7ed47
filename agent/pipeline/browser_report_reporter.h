#ifndef SKIMWATCH_AGENT_PIPELINE_BROWSER_REPORT_REPORTER_H_
#define SKIMWATCH_AGENT_PIPELINE_BROWSER_REPORT_REPORTER_H_

#include <cstddef>
#include <cstdint>
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
#include "agent/script/source/browser_report/report_sink.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// Turns what shoppers' browsers report into findings. A card number in a report is one that was
// being stolen, in an address that a policy blocked: a finding of the browser's own, with the host
// that it was to go to.
//
// One an endpoint, on its thread; `stats()` may be called from anywhere. `brands` and `writer` must
// outlive it.
class BrowserReportReporter final : public script::ReportSink {
 public:
  struct Stats {
    uint64_t bodies = 0;
    uint64_t bytes = 0;
    uint64_t matches = 0;
    absl::Duration scan_time;
    // As in MessageScanner::Stats.
    uint64_t bytes_not_decoded = 0;
  };

  BrowserReportReporter(const card::ScanOptions& options, const card::BrandTable& brands,
                        FindingWriter& writer);
  ~BrowserReportReporter() override;

  size_t BeginBody(std::string_view body) override;
  void OnField(const script::ReportPlace& place, std::string_view text) override;
  void EndBody(const script::ReportPlace& place) override;
  void OnReport(const script::FoldedReport& report) override;
  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override;

  Stats stats() const;

 private:
  void Scan(std::string_view text, bool is_url, std::vector<CardSighting>& found);

  FindingWriter& writer_;
  card::ScanStream stream_;
  // Of the body at hand; without an origin until a field is found to hold it.
  std::vector<CardSighting> found_;
  mutable absl::Mutex mutex_;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_BROWSER_REPORT_REPORTER_H_
