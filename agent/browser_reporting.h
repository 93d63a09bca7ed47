#ifndef SKIMWATCH_AGENT_BROWSER_REPORTING_H_
#define SKIMWATCH_AGENT_BROWSER_REPORTING_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/browser_report_reporter.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/script/source/browser_report/report_endpoint.h"
#include "agent/traffic/site_map.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::agent {

// The endpoints for reports of shoppers' browsers (`sources.browser_reports`), each with its way to
// findings. Thread-safe.
class BrowserReporting {
 public:
  struct Options {
    card::ScanOptions scan;
    std::shared_ptr<const traffic::SiteMap> sites;
    // For what the endpoints keep; it must exist.
    std::string state_directory;
  };

  // Listens on all of them; nothing is read before Start. An error names the field of the
  // configuration. `brands` and `writer` must outlive it.
  static absl::StatusOr<std::unique_ptr<BrowserReporting>> Listen(
      const config::v1::AgentConfig& config, const Options& options, const card::BrandTable& brands,
      pipeline::FindingWriter& writer);
  ~BrowserReporting();

  void SetPolicy(const v1::Policy& policy);
  void Start();
  // Takes no more, and delivers what came. Idempotent.
  void Stop();

  void AddTo(pipeline::AgentSnapshot& snapshot) const;

 private:
  struct Endpoint {
    std::string listen;
    std::unique_ptr<pipeline::BrowserReportReporter> reporter;
    std::unique_ptr<script::ReportEndpoint> endpoint;
  };

  BrowserReporting() = default;

  std::vector<Endpoint> endpoints_;
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_BROWSER_REPORTING_H_
