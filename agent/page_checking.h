#ifndef SKIMWATCH_AGENT_PAGE_CHECKING_H_
#define SKIMWATCH_AGENT_PAGE_CHECKING_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/canary_list.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/page_reporter.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/source/page/page_monitor.h"
#include "agent/traffic/site_map.h"
#include "proto/destination/approved_destinations.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/ingest_service.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::agent {

// The looks at payment pages (`pages`) with their way to findings. Thread-safe.
class PageChecking {
 public:
  struct Options {
    card::ScanOptions scan;
    script::ScriptJudge::Options judge;
    std::shared_ptr<const traffic::SiteMap> sites;
    // For what is kept of pages and canaries; it must exist.
    std::string state_directory;
  };

  // Nothing runs before Start. An error names the field of the configuration. `brands`, `writer`
  // and `canaries` must outlive it.
  static absl::StatusOr<std::unique_ptr<PageChecking>> Open(const config::v1::AgentConfig& config,
                                                            const Options& options,
                                                            const card::BrandTable& brands,
                                                            pipeline::FindingWriter& writer,
                                                            pipeline::CanaryList& canaries);
  ~PageChecking();

  void SetPolicy(const v1::Policy& policy);
  void Start();
  // Ends a look that goes on. Idempotent.
  void Stop();

  void AddTo(pipeline::AgentSnapshot& snapshot) const;
  // When each page was looked at last. The collector takes `kHeartbeatPagesMax`; what is beyond is
  // left out, and the log says so at the start.
  void AddTo(v1::Heartbeat& heartbeat) const;

  static constexpr int kHeartbeatPagesMax = 256;

 private:
  PageChecking() = default;

  bool IsApproved(std::string_view site, std::string_view host) const;

  mutable absl::Mutex mutex_;
  destination::ApprovedDestinations approved_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<pipeline::PageReporter> reporter_;
  std::unique_ptr<script::PageMonitor> monitor_;
};

// What a configuration's pages need and does not show by itself: a browser that is there, and a
// user that it may run as. For --check-config.
absl::Status CheckPageSettings(const config::v1::AgentConfig& config);

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_PAGE_CHECKING_H_
