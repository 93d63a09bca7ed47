#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_PARSER_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/script/source/browser_report/report.h"

namespace skimwatch::script {

// Objects and arrays one inside another; browsers send three.
inline constexpr size_t kReportDepthMax = 16;

struct ParsedReports {
  enum class End : uint8_t {
    kComplete,
    kNotJson,
    // Beyond kReportDepthMax.
    kTooDeep,
    // More reports than asked for; the first ones are there.
    kTooMany,
  };
  End end = End::kComplete;
  std::vector<Report> reports;
  // Values that are no report: without a type, a page or a body.
  size_t malformed = 0;
};

// Reads what browsers send: an array of reports or a single one (W3C Reporting API, 2.4), or a
// `csp-report` object (CSP Level 3, 5.4). What came before an error is kept. Reads as a stream:
// memory is that of the strings that reports are made of, at most the body's size.
ParsedReports ParseReports(std::string_view body, size_t reports_max);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_PARSER_H_
