#include "tests/collector/support/operator_server.h"

#include <chrono>
#include <utility>

#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/destination_recorder.h"
#include "collector/inventory/script_recorder.h"
#include "gtest/gtest.h"
#include "proto/tls/credentials.h"
#include "proto/validation/finding.h"
#include "tests/collector/support/findings.h"

namespace skimwatch::testing {
namespace {

config::v1::CollectorConfig ConfigWith(const std::vector<config::v1::RoleRule>& roles) {
  config::v1::CollectorConfig config;
  for (const config::v1::RoleRule& rule : roles) *config.add_roles() = rule;
  return config;
}

}  // namespace

std::vector<config::v1::RoleRule> OperatorServer::DefaultRoles() {
  std::vector<config::v1::RoleRule> rules;
  for (const char* const role : {"viewer", "approver", "admin"}) {
    config::v1::RoleRule& rule = rules.emplace_back();
    rule.set_identity(role);
    rule.set_role(role);
  }
  return rules;
}

v1::FingerprintKey OperatorServer::TestKey() {
  v1::FingerprintKey key;
  key.set_id("test");
  key.set_key(std::string(32, '\x2a'));
  return key;
}

OperatorServer::OperatorServer(const Options& options)
    : authority_(store_.folder().path()),
      inventory_(store_.get(), [] {}),
      authorizer_(ConfigWith(options.roles)),
      work_({.threads = 2, .waiting_max = options.work_waiting_max}) {
  const api::Dependencies dependencies{.store = store_.get(),
                                       .feed = &feed_,
                                       .inventory = &inventory_,
                                       .authorizer = &authorizer_,
                                       .work = &work_,
                                       .fingerprint_keys = [keys = options.keys] { return keys; }};
  query_ = api::MakeQueryService(dependencies);
  decision_ = api::MakeDecisionService(dependencies);
  config::v1::Tls tls;
  if (options.plaintext) {
    tls.set_plaintext(true);
  } else {
    tls = authority_.Issue("collector");
  }
  auto credentials = tls::ServerCredentials(tls, "127.0.0.1:0");
  EXPECT_TRUE(credentials.ok()) << credentials.status();
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", *credentials, &port_);
  builder.RegisterService(query_.get());
  builder.RegisterService(decision_.get());
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

OperatorServer::~OperatorServer() {
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
}

std::shared_ptr<grpc::Channel> OperatorServer::Channel(const std::string& name) {
  auto credentials = tls::ChannelCredentials(authority_.Issue(name), address());
  EXPECT_TRUE(credentials.ok()) << credentials.status();
  return grpc::CreateChannel(address(), *credentials);
}

uint64_t OperatorServer::Add(v1::Finding finding, const std::string& agent) {
  const absl::Time now = absl::Now();
  finding.set_sequence(++sequence_);
  const v1::FindingKind kind = validation::KindOf(finding);
  v1::StoredFinding stored = Stored(finding, agent, 1, now);
  const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
    exposure::ExposureFolder folder({}, &tx, now);
    inventory::ApprovalsOfSites approvals(&tx, now);
    absl::StatusOr<uint64_t> exposure =
        finding.has_script_change() ? inventory::RecordScriptChange(tx, folder, finding, agent, now)
        : finding.has_destination_change()
            ? inventory::RecordDestinationChange(tx, folder, approvals, finding, agent)
            : folder.Add(finding, kind, agent);
    if (!exposure.ok()) return exposure.status();
    stored.set_exposure_id(*exposure);
    absl::Status inserted = tx.InsertFinding(stored, kind);
    if (!inserted.ok()) return inserted;
    inserted = tx.AdvanceCommittedSequence(agent, 1, sequence_);
    if (!inserted.ok()) return inserted;
    return folder.Flush();
  });
  EXPECT_TRUE(status.ok()) << status;
  feed_.Publish({std::make_shared<v1::StoredFinding>(stored)});
  return stored.exposure_id();
}

void OperatorServer::AddAgent(const v1::Agent& agent) {
  const absl::Status status =
      store_->Write([&](store::Transaction& tx) { return tx.PutAgent(agent); });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace skimwatch::testing
