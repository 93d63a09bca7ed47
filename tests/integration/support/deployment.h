#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_DEPLOYMENT_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_DEPLOYMENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/config/v1/tls.pb.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/query_service.pb.h"
#include "tests/collector/support/collector_process.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {

// What the store holds of one planted card.
struct StoredCard {
  // Sum of the findings' counts.
  uint64_t occurrences = 0;
  uint64_t expected_occurrences = 0;
  std::vector<v1::StoredFinding> findings;
};

// One collector and one agent as an operator installs them, in folders of one test:
//   <root>/collector  configuration, store, key, log of the collector
//   <root>/agent      configuration, state, spool, log of the agent
//   <root>/site       what is watched: card numbers may stand here, and nowhere else
//
// The collector takes heartbeats every 100 ms; the agent looks for it at least once a second.
class Deployment {
 public:
  Deployment();

  const std::string& root() const { return folder_.path(); }
  std::string collector_folder() const { return root() + "/collector"; }
  std::string agent_folder() const { return root() + "/agent"; }
  std::string site_folder() const { return root() + "/site"; }

  // To be changed before the first start. Lines of YAML beside those that every agent here has:
  // `sources` and whatever else a test needs.
  config::v1::CollectorConfig collector_config;
  std::string agent_yaml;
  std::vector<std::string> agent_environment;
  // Folders of the agent's spool and state, where they are not in its folder.
  std::string state_directory;
  // Ports where the shop listens.
  std::vector<int> service_ports;
  // Mutual TLS for both sides, and for the questions; plaintext when not set.
  std::optional<config::v1::Tls> agent_tls;
  std::optional<config::v1::Tls> operator_tls;

  void StartCollector();
  int StopCollector(int signal);
  // The agent's first start needs the collector's port, so a collector that started.
  void StartAgent();
  int StopAgent(int signal);
  // Started, and welcomed by the collector with a policy.
  void StartAgentAndWait();

  testing::CollectorProcess& collector() { return *collector_; }
  testing::Daemon& agent() { return *agent_; }
  std::string AgentGet(const std::string& path) const;
  // A sample of the agent's or the collector's /metrics by its full name with labels; a failure is
  // added when there is none.
  double AgentMetric(std::string_view series) const;
  double CollectorMetric(std::string_view series) const;
  bool AgentIsReady() const;
  // The highest resident memory that the running agent had.
  uint64_t AgentMemoryMax() const;

  // Everything stored, oldest first.
  std::vector<v1::StoredFinding> Findings();
  std::vector<v1::Exposure> Exposures();
  std::vector<v1::Agent> Agents();
  // The stored findings by the planted card (index below `cards`) that their fingerprint is of. A
  // failure is added for a fingerprint of none, and for a mask that is not the card's.
  std::map<size_t, StoredCard> Cards(size_t cards);
  // Waits until every card below `cards` is stored.
  bool WaitForCards(size_t cards, absl::Duration patience = absl::Seconds(60));
  // A failure for every card below `cards` that is not stored exactly `occurrences` times.
  void ExpectEachCard(size_t cards, uint64_t occurrences);
  // A failure for every planted number in a file of the agent's or the collector's.
  void ExpectNoNumberKept(size_t cards) const;

  // Runs skimwatchctl against the collector.
  testing::Result Ctl(const std::vector<std::string>& arguments) const;

 private:
  std::string AgentYaml() const;
  std::shared_ptr<grpc::Channel> Channel() const;

  testing::TempFolder folder_;
  std::unique_ptr<testing::CollectorProcess> collector_;
  std::unique_ptr<testing::Daemon> agent_;
};

// A sample of a /metrics page; nothing when the page has none of that name.
std::optional<double> MetricOf(std::string_view page, std::string_view series);
// The sum of a family's samples.
double SumOf(std::string_view page, std::string_view family);

// Whether this process may open packet sockets.
bool MayCapture();

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_DEPLOYMENT_H_
