#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_OPERATOR_SERVER_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_OPERATOR_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "collector/api/authorization.h"
#include "collector/api/services.h"
#include "collector/api/work_queue.h"
#include "collector/inventory/inventory.h"
#include "collector/store/finding_feed.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/service_type.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "tests/collector/support/temp_store.h"
#include "tests/collector/support/test_authority.h"

namespace skimwatch::testing {

// The operators' side of a collector on a real socket of 127.0.0.1, over a real store: the query
// and decision services behind mutual TLS or plaintext. Findings are put in as the ingest does.
class OperatorServer {
 public:
  struct Options {
    bool plaintext = false;
    std::vector<config::v1::RoleRule> roles = DefaultRoles();
    std::vector<v1::FingerprintKey> keys = {TestKey()};
    // Of the work queue; 0 refuses every question.
    size_t work_waiting_max = 256;
  };
  // The certificates named viewer, approver and admin have that role.
  static std::vector<config::v1::RoleRule> DefaultRoles();
  static v1::FingerprintKey TestKey();

  OperatorServer() : OperatorServer(Options()) {}
  explicit OperatorServer(const Options& options);
  ~OperatorServer();

  // `127.0.0.1:port`.
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  TestAuthority& authority() { return authority_; }
  const TempFolder& folder() const { return store_.folder(); }
  store::Store& store() { return *store_; }
  store::FindingFeed& feed() { return feed_; }

  // A channel with the certificate of `name`.
  std::shared_ptr<grpc::Channel> Channel(const std::string& name);

  // Stores a finding of `agent` with what it means for exposures, sightings and scripts, and hands
  // it to the watchers. Returns its exposure, 0 for none.
  uint64_t Add(v1::Finding finding, const std::string& agent = "web-1");
  // Stores an agent.
  void AddAgent(const v1::Agent& agent);

 private:
  TempStore store_;
  TestAuthority authority_;
  store::FindingFeed feed_;
  inventory::Inventory inventory_;
  api::Authorizer authorizer_;
  api::WorkQueue work_;
  std::unique_ptr<grpc::Service> query_;
  std::unique_ptr<grpc::Service> decision_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_OPERATOR_SERVER_H_
