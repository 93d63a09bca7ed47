#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "collector/server.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"
#include "tests/collector/support/test_ca.h"

namespace skimwatch::ingest {
namespace {

using testing::AgentClient;
using testing::CardFinding;
using ::testing::HasSubstr;

class IngestTlsTest : public ::testing::Test {
 protected:
  IngestTlsTest() : ca_(folder_.File("ca")) {}

  void SetUp() override {
    config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
    *config.mutable_tls() = ca_.Issue("collector");
    config.clear_roles();
    config.clear_agents();
    config::v1::RoleRule* rule = config.add_roles();
    rule->set_identity("ann");
    rule->set_role("admin");
    auto server = collector::Server::Start({.config = config});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& name, const std::string& uri = "") {
    return testing::ConnectTo(server_->port(), ca_.Issue(name, uri));
  }

  v1::ListAgentsResponse Agents() {
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    const grpc::Status status =
        v1::QueryService::NewStub(Channel("ann"))->ListAgents(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  testing::TempFolder folder_;
  testing::TestCa ca_;
  std::unique_ptr<collector::Server> server_;
};

TEST_F(IngestTlsTest, AnAgentThatClaimsAnothersIdentityIsTurnedAwayAndRemembered) {
  AgentClient honest(Channel("web-1", "spiffe://shop.example/agent/web-1"));
  ASSERT_TRUE(honest.SendHello(1));
  ASSERT_TRUE(honest.ReadWelcome().has_value());

  AgentClient fraud(Channel("web-2", "spiffe://shop.example/agent/web-2"));
  v1::StreamRequest request;
  *request.mutable_hello() = AgentClient::MakeHello(1);
  request.mutable_hello()->set_identity("spiffe://shop.example/agent/web-1");
  ASSERT_TRUE(fraud.Send(request));
  std::string message;
  EXPECT_EQ(fraud.Finish(&message), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(message, HasSubstr("the certificate says 'spiffe://shop.example/agent/web-2'"));

  v1::ListAgentsResponse agents;
  for (int i = 0; i < 500 && agents.agents_size() < 2; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    agents = Agents();
  }
  ASSERT_EQ(agents.agents_size(), 2);
  EXPECT_EQ(agents.agents(0).identity(), "spiffe://shop.example/agent/web-1");
  EXPECT_EQ(agents.agents(0).state(), v1::Agent::STATE_CONNECTED);
  EXPECT_TRUE(agents.agents(0).has_certificate_expiry());
  EXPECT_EQ(agents.agents(1).identity(), "spiffe://shop.example/agent/web-2");
  EXPECT_EQ(agents.agents(1).state(), v1::Agent::STATE_REJECTED);
  EXPECT_THAT(agents.agents(1).rejection_reason(), HasSubstr("agent/web-1"));

  // The honest one goes on.
  ASSERT_TRUE(honest.SendBatch({CardFinding(1)}));
  EXPECT_TRUE(honest.ReadAckOf(1));
}

TEST_F(IngestTlsTest, AnOperatorsCertificateIsNoAgents) {
  AgentClient agent(Channel("ann"));
  agent.SendHello(1);
  EXPECT_EQ(agent.Finish(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IngestTlsTest, AnAgentsCertificateIsNoOperators) {
  grpc::ClientContext context;
  v1::ListFindingsResponse response;
  EXPECT_EQ(v1::QueryService::NewStub(Channel("web-1"))
                ->ListFindings(&context, {}, &response)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IngestTlsTest, ACertificateOfAnotherAuthorityGetsNoConnection) {
  testing::TestCa other(folder_.File("other"));
  config::v1::Tls tls = other.Issue("web-1");
  tls.set_ca_file(ca_.Issue("unused").ca_file());
  AgentClient agent(testing::ConnectTo(server_->port(), tls));
  agent.SendHello(1);
  EXPECT_EQ(agent.Finish(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(IngestTlsTest, PlaintextGetsNoConnection) {
  AgentClient agent(testing::ConnectTo(server_->port(), testing::Plaintext()));
  agent.SendHello(1);
  EXPECT_EQ(agent.Finish(), grpc::StatusCode::UNAVAILABLE);
}

// Two agents at once, each hanging up again and again in the middle of its batches and sending anew
// from the collector's word, or from further back: everything is stored, once.
TEST_F(IngestTlsTest, TwoAgentsThatReconnectAllTheTimeAreStoredExactlyOnce) {
  constexpr uint64_t kFindings = 15'000;
  constexpr uint64_t kBatch = 250;
  const auto run = [&](const std::string& name, uint64_t epoch, uint64_t seed) {
    const auto channel = Channel(name);
    uint64_t acknowledged = 0;
    for (int attempt = 0; acknowledged < kFindings; ++attempt) {
      ASSERT_LT(attempt, 1000);
      AgentClient agent(channel);
      ASSERT_TRUE(agent.SendHello(epoch));
      const auto welcome = agent.ReadWelcome();
      ASSERT_TRUE(welcome.has_value());
      ASSERT_GE(welcome->committed_sequence(), acknowledged);
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      // Now and then as if the Welcome had said less.
      const uint64_t back = seed >> 62 == 0 ? 137 : 0;
      uint64_t next = welcome->committed_sequence() + 1;
      next -= std::min(back, next - 1);
      const uint64_t batches = 1 + (seed >> 33) % 20;
      uint64_t sent = 0;
      for (uint64_t i = 0; i < batches && next <= kFindings; ++i) {
        std::vector<v1::Finding> findings;
        for (uint64_t k = 0; k < kBatch && next <= kFindings; ++k, ++next) {
          findings.push_back(CardFinding(next, {.card = next % 1000}));
        }
        sent = next - 1;
        if (!agent.SendBatch(std::move(findings))) break;
      }
      // Half of the time without waiting for the last acknowledgements.
      if ((seed >> 40) % 2 == 0) agent.ReadAckOf(sent);
      acknowledged = std::max(acknowledged, agent.acknowledged());
      agent.Cancel();
    }
  };
  std::thread one(run, "web-1", 11, 1);
  std::thread two(run, "web-2", 11, 2);
  one.join();
  two.join();

  v1::ListAgentsResponse agents;
  for (int i = 0; i < 500 && agents.agents_size() < 2; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    agents = Agents();
  }
  ASSERT_EQ(agents.agents_size(), 2);
  EXPECT_EQ(agents.agents(0).findings(), kFindings);
  EXPECT_EQ(agents.agents(1).findings(), kFindings);
  grpc::ClientContext context;
  v1::ListExposuresResponse exposures;
  ASSERT_TRUE(
      v1::QueryService::NewStub(Channel("ann"))->ListExposures(&context, {}, &exposures).ok());
  ASSERT_EQ(exposures.exposures_size(), 1);
  EXPECT_EQ(exposures.exposures(0).findings(), 2 * kFindings);
  EXPECT_EQ(exposures.exposures(0).distinct_cards(), 1000u);
}

}  // namespace
}  // namespace skimwatch::ingest
