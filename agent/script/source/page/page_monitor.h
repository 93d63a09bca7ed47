#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_MONITOR_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_MONITOR_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/source/browser_report/report_address.h"
#include "agent/script/source/page/page_run.h"
#include "agent/script/source/page/page_sink.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// Looks at the pages of the configuration, each in its interval, one after the other on a thread of
// its own, and tells the sink what changed (PageInventory) and what left (docs/pages.md).
//
// A look runs in processes of its own and ends with them. Of each page its scripts' names and
// hashes are kept, on disk too; texts go once they are judged. A look that failed is tried again
// after at most ten minutes.
class PageMonitor {
 public:
  struct Options {
    config::v1::Pages pages;
    // Folder for states and versions; it must exist.
    std::string state_directory;
    uint64_t versions_bytes_max = uint64_t{128} << 20;
    ScriptJudge::Options judge;
    card::ScanOptions scan;
    const card::BrandTable* brands = nullptr;
    PathTemplateFunction path_template;
    std::function<bool(std::string_view site, std::string_view host)> is_site_host;
    // Destinations that the collector approves.
    std::function<bool(std::string_view site, std::string_view host)> is_approved;
    // Before a state is saved that says that changes were told; may be null.
    std::function<void()> before_save;
  };

  struct CheckStats {
    std::string name;
    std::string site;
    // By outcome, since the monitor was opened.
    std::array<uint64_t, static_cast<size_t>(PageOutcome::kCount)> runs{};
    // By outcome, kept over restarts; and those of kOk that had no browser.
    std::array<uint64_t, static_cast<size_t>(PageOutcome::kCount)> looks{};
    uint64_t looks_without_browser = 0;
    // InfinitePast before the first.
    absl::Time last_success = absl::InfinitePast();
    absl::Time last_run = absl::InfinitePast();
    // Of the last run.
    PageOutcome outcome = PageOutcome::kOk;
    // When the next one begins, or should have begun; and from one to the next.
    absl::Time next_due = absl::InfinitePast();
    absl::Duration interval = absl::ZeroDuration();
    absl::Duration last_duration = absl::ZeroDuration();
    // Of the page until its load event.
    absl::Duration last_load_time = absl::ZeroDuration();
    absl::Duration duration = absl::ZeroDuration();
    uint64_t memory_bytes_max = 0;
    // The last look was one without a browser.
    bool is_static = false;
    // Why the last look failed; empty when it did not.
    std::string last_reason;
    uint64_t requests = 0;
    uint64_t stopped_requests = 0;
    uint64_t canary_departures = 0;
    uint64_t undecoded_departures = 0;
    PageOmissions omissions;
    // What is now.
    uint64_t scripts = 0;
    uint64_t unapproved_scripts = 0;
    uint64_t changes = 0;
    uint64_t scripts_left_out = 0;
  };

  struct Stats {
    std::vector<CheckStats> checks;
    uint64_t versions_bytes = 0;
    uint64_t write_errors = 0;
    uint64_t states_set_aside = 0;
    std::string last_error;
  };

  // Reads the states. Errors name the folder. What `options` point to and `sink` must outlive it.
  static absl::StatusOr<std::unique_ptr<PageMonitor>> Open(Options options, PageSink& sink);
  // Stops.
  virtual ~PageMonitor() = default;

  // Thread-safe, all of them.
  virtual void SetPolicy(const v1::Policy& policy) = 0;
  virtual void Start() = 0;
  // Ends a look that goes on. Idempotent.
  virtual void Stop() = 0;
  virtual Stats GetStats() const = 0;
};

// Whether one of the patterns, exact or `*.example.com`, is the host's.
bool MatchesHost(const google::protobuf::RepeatedPtrField<std::string>& patterns,
                 std::string_view host);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_MONITOR_H_
