#ifndef SKIMWATCH_AGENT_TLS_PROBING_H_
#define SKIMWATCH_AGENT_TLS_PROBING_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "agent/card/brand_table.h"
#include "agent/flow_scan.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/site_map.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// The probes at TLS libraries (`sources.tls_probes`), with a way from bytes to sightings for each
// entry of the configuration. Thread-safe.
class TlsProbing {
 public:
  using Options = FlowScan::Options;

  // Sets the probes. Where that can't be, `error` says why and the figures show it. `brands`,
  // `writer` and `coverage` must outlive it.
  TlsProbing(const config::v1::AgentConfig& config, const Options& options,
             const card::BrandTable& brands, pipeline::FindingWriter& writer,
             traffic::Coverage& coverage);
  ~TlsProbing();

  // What keeps the probes from being set; OK when nothing does.
  const absl::Status& error() const { return error_; }
  void Start();
  // Takes the probes out, and delivers what came. Idempotent.
  void Stop();

  void AddTo(pipeline::AgentSnapshot& snapshot) const;

 private:
  // One an entry.
  std::vector<std::unique_ptr<FlowScan>> scans_;
  // Null after an error.
  std::unique_ptr<traffic::TlsProbes> probes_;
  absl::Status error_;
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_TLS_PROBING_H_
