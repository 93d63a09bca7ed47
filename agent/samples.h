#ifndef SKIMWATCH_AGENT_SAMPLES_H_
#define SKIMWATCH_AGENT_SAMPLES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/card/brand_table.h"
#include "agent/flow_scan.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/sample_folder.h"
#include "agent/traffic/source/sample_socket.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// What takes samples of other tools (`sources.sample_sockets`, `sources.sample_folders`), each with
// its way from bytes to sightings. Thread-safe.
class Samples {
 public:
  using Options = FlowScan::Options;

  // Listens on the sockets and opens the folders; nothing is read before Start. An error names the
  // field of the configuration. `brands`, `writer` and `coverage` must outlive it.
  static absl::StatusOr<std::unique_ptr<Samples>> Open(const config::v1::AgentConfig& config,
                                                       const Options& options,
                                                       const card::BrandTable& brands,
                                                       pipeline::FindingWriter& writer,
                                                       traffic::Coverage& coverage);
  ~Samples();

  // Checks sockets' users and groups, and folders, for --check-config.
  static absl::Status Check(const config::v1::AgentConfig& config);

  void Start();
  // Takes no more, and delivers what came. Idempotent.
  void Stop();

  void AddTo(pipeline::AgentSnapshot& snapshot) const;

 private:
  class Target;
  struct Socket {
    std::string path;
    std::unique_ptr<Target> target;
    std::unique_ptr<traffic::SampleSocket> socket;
  };
  struct Folder {
    std::string path;
    std::unique_ptr<Target> target;
    std::unique_ptr<traffic::SampleFolder> folder;
  };

  Samples() = default;

  std::vector<Socket> sockets_;
  std::vector<Folder> folders_;
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_SAMPLES_H_
