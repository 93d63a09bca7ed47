#ifndef SKIMWATCH_AGENT_OFFLINE_SCAN_SERVICES_H_
#define SKIMWATCH_AGENT_OFFLINE_SCAN_SERVICES_H_

#include "agent/card/scanner.h"
#include "agent/offline/cancellation.h"
#include "agent/offline/match_writer.h"
#include "agent/offline/scan_options.h"
#include "agent/offline/scan_report.h"

namespace skimwatch::offline {

// What the parts of a run share; all of it is thread-safe and outlives them.
struct ScanServices {
  const ScanOptions& options;
  const card::BrandTable& brands;
  const Cancellation& cancellation;
  MatchWriter& writer;
  ScanReport& report;

  card::ScanOptions CardOptions() const {
    return {.decode_depth = options.decode_depth, .min_confidence = options.min_confidence};
  }

  // Writes and counts a match, unless the options leave it out.
  void Found(const Place& place, uint64_t offset, const card::CardMatch& match) const {
    if (match.test_card && !options.test_cards) {
      report.OnTestCardLeftOut();
      return;
    }
    report.OnFinding(match);
    if (!options.quiet) writer.Write(place, offset, match);
  }
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SCAN_SERVICES_H_
