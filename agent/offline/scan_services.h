#ifndef SKIMWATCH_AGENT_OFFLINE_SCAN_SERVICES_H_
#define SKIMWATCH_AGENT_OFFLINE_SCAN_SERVICES_H_

#include "agent/card/scanner.h"
#include "agent/offline/cancellation.h"
#include "agent/offline/findings.h"
#include "agent/offline/ignore_rules.h"
#include "agent/offline/scan_options.h"
#include "agent/offline/scan_report.h"

namespace skimwatch::offline {

// What the parts of a run share; all of it is thread-safe and outlives them.
struct ScanServices {
  const ScanOptions& options;
  const card::BrandTable& brands;
  // The patterns of the options, for members of archives.
  const IgnoreRules& exclude;
  const Cancellation& cancellation;
  const Findings& findings;
  ScanReport& report;

  card::ScanOptions CardOptions() const {
    return {.decode_depth = options.decode_depth, .min_confidence = options.min_confidence};
  }
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SCAN_SERVICES_H_
