#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_PROCESSOR_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_PROCESSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "agent/script/approvals.h"
#include "agent/script/source/browser_report/browser_inventory.h"
#include "agent/script/source/browser_report/browser_state.pb.h"
#include "agent/script/source/browser_report/report.h"
#include "agent/script/source/browser_report/report_folder.h"
#include "agent/script/source/browser_report/report_noise.h"
#include "agent/script/source/browser_report/report_sink.h"

namespace skimwatch::script {

// What became of a report; of bodies that could not be read whole, one each.
enum class ReportOutcome : uint8_t {
  kCspViolation,
  kCspHash,
  kIntegrityViolation,
  // A script of a page that `pages` does not name.
  kOtherPage,
  // Of a type that says nothing about scripts; searched for card numbers and no more.
  kOther,
  kNoiseExtension,
  kNoiseInternal,
  kNoiseInline,
  kNoiseHost,
  // Of a page of no site of the configuration: forged, or a host that the configuration lacks.
  kUnknownSite,
  // No type, no page or no body.
  kMalformed,
  kNotJson,
  kTooDeep,
  kTooMany,
  // As BrowserInventory::Outcome.
  kNoHash,
  kBadHash,
  kManyVersions,
  kContradicting,
  // No room for another violation or script; and scripts that were forgotten to make room.
  kFull,
  // Card numbers beyond what one body, one network or all together may bring. Not of reports: of
  // numbers.
  kCardsLeftOut,
  kCount,
};
std::string_view ReportOutcomeName(ReportOutcome outcome);

// From the body of a request to findings: the card scan first, then the reports in it, each judged
// by its type. Thread-compatible.
class ReportProcessor {
 public:
  struct Options {
    // Site of card numbers in reports of no page that is known.
    std::string default_site;
    size_t reports_max = 256;
    std::vector<std::string> noise_hosts;
    // Globs of the paths of pages whose scripts are inventoried; all when empty.
    std::vector<std::string> pages;
    size_t browsers_min = 3;
    absl::Duration fold_window = absl::Minutes(5);
    absl::Duration learning = absl::Hours(24);
    absl::Duration restore_after = absl::Hours(1);
    // The site of a host in lower case, empty for none.
    std::function<std::string(std::string_view host)> site_of_host;
    PathTemplateFunction path_template;
  };
  using Counts = std::array<uint64_t, static_cast<size_t>(ReportOutcome::kCount)>;

  // `sink` must outlive it.
  ReportProcessor(const Options& options, const BrowserState& state, ReportSink& sink);

  // Adds what became of the reports to `counts`.
  void Process(std::string_view body, const Reporter& reporter, absl::Time now, Counts& counts);
  // Ends what is over. To be called every second or so.
  void Advance(absl::Time now);
  // Tells what waits for the end of a window.
  void Flush() { folder_.Flush(); }

  BrowserInventory& inventory() { return inventory_; }

 private:
  // A page of a site.
  struct Page {
    // Empty for a page of none.
    std::string site;
    // As it is shown.
    std::string name;
    bool has_inventory = false;
  };

  Page PageOf(std::string_view document_url) const;
  ReportOutcome Judge(const Page& page, const Report& report, const Reporter& reporter,
                      absl::Time now);
  void LookForCards(const ReportPlace& place, const Report& report);

  const Options options_;
  ReportSink& sink_;
  const ReportNoise noise_;
  ReportFolder folder_;
  BrowserInventory inventory_;
  absl::Time swept_ = absl::InfinitePast();
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_PROCESSOR_H_
