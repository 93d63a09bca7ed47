#ifndef SKIMWATCH_TESTS_E2E_INCIDENT_SCENE_H_
#define SKIMWATCH_TESTS_E2E_INCIDENT_SCENE_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "skimwatch/config/v1/tls.pb.h"
#include "skimwatch/v1/stored_finding.pb.h"
#include "tests/collector/support/test_ca.h"
#include "tests/e2e/incident/shoppers.h"
#include "tests/integration/support/browser_site.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/monitoring.h"
#include "tests/support/daemon.h"

namespace skimwatch::e2e {

inline constexpr char kPage[] = "https://shop.example/checkout.html";
inline constexpr char kChat[] = "https://vendor.example/chat.js";

// Where the incident of 2017 happens: the shop, its chat vendor and the thief on one real nginx,
// with an origin each; what shop and vendor watch them with; and the people who look at it.
//
//   shop-web    the shop's web server: its files, browsers' reports, what its backend sends, and
//               copies of what its own people's browsers send through the gateway of its network
//   shop-pages  looks at the payment page, an agent of its own
//   chat-web    the vendor's web server: its files, and what that server sends
//
// All three send to one collector over mutual TLS; Prometheus scrapes it with the rules of
// deploy/prometheus.
class Scene {
 public:
  Scene();

  // Fatal failures where something does not start. `StartMonitoring` when the first approvals are
  // made, so that the days before tell nobody of anything.
  void Start();
  void StartMonitoring();

  // The vendor puts a version of its script on its server; returns the moment when that is done.
  absl::Time PublishChat(const std::string& text) const;
  // The vendor's server sends copies of what the chat sends to the thief, or no longer does.
  void SetRelay(bool on) const;
  // Has a look at the payment page begin at once rather than when it is due: the agent is started
  // anew with a configuration that differs by a millisecond.
  void BeginLook();
  // Waits for its end. Looks come from the shop's cart and from a search engine by turns.
  bool AwaitLook() const;

  // As a shopper at home with this number, or as somebody in the shop's own network.
  Visit FromHome(int number, std::optional<size_t> card, const std::string& referrer = "") const;
  Visit FromTheShopsNetwork(std::optional<size_t> card) const;
  Shoppers& shoppers() { return *shoppers_; }

  // What was stored at or after `since`, oldest first.
  std::vector<v1::StoredFinding> FindingsSince(absl::Time since);
  // Approves what is served as the operator does: `skimwatchctl scripts approve` for every script
  // that is not approved, and waits until the agents know. Returns how many there were.
  size_t ApproveEverything(const std::string& justification);
  // Closes what is open as the operator does, and waits until no alert of it fires.
  void CloseEverything(const std::string& reason);
  // The cards that the thief was sent, of those below `cards`.
  std::vector<size_t> CardsOfTheThief(size_t cards) const;

  integration::Deployment& deployment() { return deployment_; }
  const integration::Monitoring& monitoring() const { return *monitoring_; }
  // What the programs logged.
  std::string Logs();

 private:
  // Configuration of an agent besides the shop's web server's.
  std::string AgentYaml(const std::string& name, const std::string& site, const std::string& more);
  std::string PagesYaml();
  void ConfigureSite();
  size_t ApproveWhatIsListed(const std::string& justification);
  // The sum of a family over the agents' /metrics; what an agent does not say counts for 1.
  double Unapproved() const;

  integration::Deployment deployment_;
  testing::TestCa authority_{deployment_.root()};
  integration::BrowserSite site_{deployment_.site_folder()};
  const std::string reports_socket_ = deployment_.root() + "/reports.sock";
  const std::string mirror_socket_ = deployment_.root() + "/mirror.sock";
  const int gateway_port_;
  const int processor_port_;
  // The thief's other end, where the vendor's server sends to.
  const int relay_port_;
  const int sink_port_;
  // Of agents, by their names.
  std::map<std::string, config::v1::Tls> certificates_;
  std::unique_ptr<testing::Daemon> chat_agent_;
  std::unique_ptr<testing::Daemon> page_agent_;
  std::unique_ptr<integration::Monitoring> monitoring_;
  std::unique_ptr<Shoppers> shoppers_;
  int looks_ = 0;
};

}  // namespace skimwatch::e2e

#endif  // SKIMWATCH_TESTS_E2E_INCIDENT_SCENE_H_
