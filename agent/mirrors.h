#ifndef SKIMWATCH_AGENT_MIRRORS_H_
#define SKIMWATCH_AGENT_MIRRORS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/card/brand_table.h"
#include "agent/flow_scan.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/site_map.h"
#include "agent/traffic/source/mirror/copy_server.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// The servers that take copies of requests (`sources.http_mirrors`, `sources.icap_servers`), each
// with its way from bytes to sightings. Thread-safe.
class Mirrors {
 public:
  using Options = FlowScan::Options;

  // Listens on all of them; nothing is read before Start. An error names the field of the
  // configuration. `brands`, `writer` and `coverage` must outlive it.
  static absl::StatusOr<std::unique_ptr<Mirrors>> Listen(const config::v1::AgentConfig& config,
                                                         const Options& options,
                                                         const card::BrandTable& brands,
                                                         pipeline::FindingWriter& writer,
                                                         traffic::Coverage& coverage);
  ~Mirrors();

  void Start();
  // Takes no more, and delivers what came. Idempotent.
  void Stop();

  void AddTo(pipeline::AgentSnapshot& snapshot) const;

 private:
  struct Mirror {
    std::string source;
    std::string listen;
    // Lives in the server.
    const FlowScan* scan = nullptr;
    std::unique_ptr<traffic::CopyServer> server;
  };

  Mirrors() = default;

  std::vector<Mirror> mirrors_;
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_MIRRORS_H_
