#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_SINK_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_SINK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/script/source/browser_report/report.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// Where a card number of a report was on its way to.
struct ReportPlace {
  std::string site;
  // The page, as origin and path template.
  std::string page;
  // Whether the page is one of a site of the configuration.
  bool is_known = false;
  // Host that the browser was to send to, and the path as it was to be sent, which may hold a card
  // number; empty where the report names none.
  std::string host;
  std::string path;
  // `blocked_url`, `sample`, `document_url`, ...; `report` for the body as a whole.
  std::string_view part;
};

// Violations that repeat each other, as one.
struct FoldedReport {
  std::string site;
  v1::BrowserReport report;
  // Where the browser was to send to or fetch from: an origin, or a word such as `inline`.
  std::string destination;
  v1::Severity severity = v1::SEVERITY_INFO;
  v1::Confidence confidence = v1::CONFIDENCE_LOW;
  absl::Time first_seen;
  absl::Time last_seen;
  // Reports since the last time that this was told.
  uint64_t count = 0;
};

// Takes what the report endpoint receives. Called on the endpoint's thread.
class ReportSink {
 public:
  virtual ~ReportSink() = default;

  // A body came: it is searched for card numbers before anything else is done with it. Returns how
  // many were found. They are kept until a field is found to hold them, or the body ends.
  virtual size_t BeginBody(std::string_view body, const Reporter& reporter) = 0;
  // A text of a report in that body, to find out which one holds what was found.
  virtual void OnField(const ReportPlace& place, std::string_view text) = 0;
  // Reports what was found; what no field held is said to be of `place`. Returns how many were left
  // out, since the body or its sender brought more than are taken.
  virtual size_t EndBody(const ReportPlace& place) = 0;

  virtual void OnReport(const FoldedReport& report) = 0;
  virtual void OnChange(std::string_view site, const v1::ScriptChange& change,
                        v1::Severity severity) = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_SINK_H_
