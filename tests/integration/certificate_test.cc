#include <signal.h>
#include <sys/wait.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/support/status_code_enum.h"
#include "gtest/gtest.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/findings.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/log_writer.h"
#include "tests/proto/tls/certificates.h"

namespace skimwatch::integration {
namespace {

using testing::AgentClient;
using testing::CertificateAuthority;
using testing::CertifiedKey;
using ::testing::HasSubstr;
using testing::LeafOptions;
using testing::SpiffeLeaf;

constexpr char kAgentA[] = "spiffe://example.org/agent-a";
constexpr char kAgentB[] = "spiffe://example.org/agent-b";

// An agent that was welcomed once with a good certificate, whose files are then replaced while the
// collector is away, and put right again while both run.
class Certificates : public ::testing::Test {
 protected:
  void SetUp() override {
    auto& collector = deployment_.collector_config;
    *collector.mutable_tls() = testing::WriteTlsFiles(deployment_.collector_folder() + "/tls",
                                                      ca_.Issue(testing::ServerLeaf()), ca_);
    collector.clear_agents();
    collector.add_agents("spiffe://example.org/agent-*");
    collector.clear_roles();
    auto& role = *collector.add_roles();
    role.set_identity("spiffe://example.org/operator");
    role.set_role("admin");
    deployment_.operator_tls = testing::WriteTlsFiles(deployment_.root() + "/operator",
                                                      ca_.Issue(SpiffeLeaf("operator")), ca_);
    deployment_.agent_tls = Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
    deployment_.agent_yaml =
        absl::StrCat("sources: { log_files: [{ paths: [", log_.path(), "], from: start }] }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    pid_ = deployment_.agent().pid();
    log_.Write(kBatch);
    ASSERT_TRUE(deployment_.WaitForCards(kBatch));
    ASSERT_TRUE(testing::WaitUntil(
        [&] { return deployment_.AgentMetric("skimwatch_spool_pending_findings") == 0; }));
  }

  config::v1::Tls Put(const CertifiedKey& own, const CertificateAuthority& authority) {
    return testing::WriteTlsFiles(deployment_.agent_folder() + "/tls", own, authority);
  }

  // Breaks the connection that stands; the next one is made with the files as they are now. Nothing
  // shows when gRPC has read them, so it is given twice the interval of a second.
  void RestartCollector() {
    ASSERT_TRUE(WIFSIGNALED(deployment_.StopCollector(SIGKILL)));
    absl::SleepFor(absl::Seconds(2));
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }

  // Findings wait, and /readyz and the log say for what.
  void ExpectFindingsWaitFor(const std::vector<std::string>& words) {
    log_.Write(kBatch);
    EXPECT_TRUE(testing::WaitUntil([&] {
      const std::string ready = deployment_.AgentGet("/readyz");
      if (ready.find(" 503 ") == std::string::npos) return false;
      if (ready.find(absl::StrCat(kBatch, " findings wait")) == std::string::npos) return false;
      for (const std::string& word : words) {
        if (ready.find(word) == std::string::npos) return false;
      }
      return true;
    })) << deployment_.AgentGet("/readyz");
    for (const std::string& word : words) EXPECT_THAT(deployment_.agent().Log(), HasSubstr(word));
    EXPECT_EQ(deployment_.Cards(log_.written()).size(), log_.written() - kBatch);
  }

  // Everything is stored, each once, by the process that was started first.
  void ExpectAllArrive(double lost = 0) {
    ASSERT_TRUE(deployment_.WaitForCards(log_.written())) << deployment_.agent().Log();
    EXPECT_TRUE(testing::WaitUntil([&] { return deployment_.AgentIsReady(); }));
    EXPECT_EQ(deployment_.agent().pid(), pid_);
    EXPECT_TRUE(deployment_.agent().IsRunning());
    ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
    deployment_.ExpectEachCard(log_.written(), 1);
    EXPECT_EQ(deployment_.CollectorMetric("skimwatch_findings_lost_total"), lost);
    deployment_.ExpectNoNumberKept(log_.written());
  }

  static constexpr size_t kBatch = 50;
  CertificateAuthority ca_{"authority"};
  CertificateAuthority other_ca_{"another authority"};
  Deployment deployment_;
  LogWriter log_{deployment_.site_folder() + "/app.log"};
  pid_t pid_ = 0;
};

TEST_F(Certificates, FindingsWaitWhileTheAgentsHasExpired) {
  LeafOptions expired = SpiffeLeaf("agent-a");
  expired.not_before = absl::Now() - absl::Hours(48);
  expired.not_after = absl::Now() - absl::Hours(1);
  Put(ca_.Issue(expired), ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  ExpectFindingsWaitFor({"own.crt", "expired"});
  Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ExpectAllArrive();
}

TEST_F(Certificates, FindingsWaitWhileTheAgentsIsOfAnotherAuthority) {
  Put(other_ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  ExpectFindingsWaitFor({"own.crt", "issued by '/CN=another authority'"});
  Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ExpectAllArrive();
}

TEST_F(Certificates, FindingsWaitWhileTheAgentTrustsAnotherAuthority) {
  Put(ca_.Issue(SpiffeLeaf("agent-a")), other_ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  ExpectFindingsWaitFor({"ca.crt"});
  Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ExpectAllArrive();
}

TEST_F(Certificates, FindingsWaitWhileTheAgentsFilesAreAllOfAnotherAuthority) {
  Put(other_ca_.Issue(SpiffeLeaf("agent-a")), other_ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  ExpectFindingsWaitFor({"ca.crt: holds no authority that issued the collector's certificate"});
  Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ExpectAllArrive();
}

TEST_F(Certificates, FindingsWaitWhileTheKeyIsOfAnotherCertificate) {
  CertifiedKey mixed = ca_.Issue(SpiffeLeaf("agent-a"));
  mixed.key_pem = ca_.Issue(SpiffeLeaf("agent-a")).key_pem;
  Put(mixed, ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  ExpectFindingsWaitFor({"own.key", "is not the key of the certificate"});
  Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ExpectAllArrive();
}

TEST_F(Certificates, FindingsWaitWhileTheCollectorTakesTheAgentForNone) {
  Put(ca_.Issue(SpiffeLeaf("intruder")), ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  ExpectFindingsWaitFor({"PERMISSION_DENIED", "certificate"});
  Put(ca_.Issue(SpiffeLeaf("agent-a")), ca_);
  ExpectAllArrive();
}

TEST_F(Certificates, OfAnotherAgentWriteOnlyAsThatAgent) {
  Put(ca_.Issue(SpiffeLeaf("agent-b")), ca_);
  ASSERT_NO_FATAL_FAILURE(RestartCollector());
  log_.Write(kBatch);
  // What agent-a delivered of the spool is missing in agent-b's account, and told as such.
  ExpectAllArrive(/*lost=*/kBatch);
  for (const auto& [card, stored] : deployment_.Cards(log_.written())) {
    for (const v1::StoredFinding& finding : stored.findings) {
      EXPECT_EQ(finding.agent(), card < kBatch ? kAgentA : kAgentB) << "card " << card;
    }
  }
}

TEST_F(Certificates, DoNotLetAnAgentClaimAnothersIdentity) {
  const std::vector<v1::StoredFinding> before = deployment_.Findings();
  const config::v1::Tls tls =
      testing::WriteTlsFiles(deployment_.root() + "/thief", ca_.Issue(SpiffeLeaf("agent-b")), ca_);
  // With all that a thief of agent-a's spool knows.
  AgentClient thief(testing::ConnectTo(deployment_.collector().port(), tls));
  v1::StreamRequest request;
  *request.mutable_hello() = AgentClient::MakeHello(before.at(0).epoch());
  request.mutable_hello()->set_identity(kAgentA);
  thief.Send(request);
  thief.SendBatch({testing::CardFinding(kBatch + 1)});
  std::string message;
  EXPECT_EQ(thief.Finish(&message), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(message, HasSubstr(absl::StrCat("the certificate says '", kAgentB)));

  // Nothing of it is stored, the thief is shown, and the agent goes on.
  v1::Agent rejected;
  EXPECT_TRUE(testing::WaitUntil([&] {
    for (const v1::Agent& agent : deployment_.Agents()) {
      if (agent.identity() == kAgentB) rejected = agent;
    }
    return rejected.state() == v1::Agent::STATE_REJECTED;
  }));
  EXPECT_THAT(rejected.rejection_reason(), HasSubstr(kAgentA));
  log_.Write(kBatch);
  ExpectAllArrive();
  EXPECT_EQ(deployment_.Findings().size(), before.size() + kBatch);
}

}  // namespace
}  // namespace skimwatch::integration
