#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "collector/ingest/ingest_service.h"
#include "collector/server.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/decision_service.grpc.pb.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::ingest {
namespace {

using testing::AgentClient;
using testing::CardFinding;
using ::testing::HasSubstr;
using testing::ScriptFinding;

constexpr uint64_t kEpoch = 0xfeedfacecafebeef;

class IngestStreamTest : public ::testing::Test {
 protected:
  void SetUp() override { StartServer(testing::TestConfig(folder_.path())); }

  void StartServer(const config::v1::CollectorConfig& config) {
    server_.reset();
    auto server = collector::Server::Start({.config = config, .version = "test"});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = testing::ConnectTo(server_->port(), testing::Plaintext());
    query_ = v1::QueryService::NewStub(channel_);
    decision_ = v1::DecisionService::NewStub(channel_);
  }

  // A stream past its Welcome and first Policy.
  std::unique_ptr<AgentClient> Connect(uint64_t expected_committed = 0) {
    auto agent = std::make_unique<AgentClient>(channel_);
    EXPECT_TRUE(agent->SendHello(kEpoch));
    const auto welcome = agent->ReadWelcome();
    EXPECT_TRUE(welcome.has_value());
    EXPECT_EQ(welcome.value_or(v1::Welcome()).committed_sequence(), expected_committed);
    EXPECT_TRUE(agent->ReadPolicy().has_value());
    return agent;
  }

  static std::vector<v1::Finding> Findings(uint64_t first, uint64_t last) {
    std::vector<v1::Finding> findings;
    for (uint64_t i = first; i <= last; ++i) findings.push_back(CardFinding(i, {.card = i}));
    return findings;
  }

  int StoredCount() {
    int count = 0;
    v1::ListFindingsRequest request;
    request.set_page_size(1000);
    do {
      grpc::ClientContext context;
      v1::ListFindingsResponse response;
      const grpc::Status status = query_->ListFindings(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      count += response.findings_size();
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return count;
  }

  grpc::Status Approve(uint64_t version) {
    grpc::ClientContext context;
    v1::ApproveScriptRequest request;
    request.set_site("shop");
    request.set_name("js/chat.js");
    request.set_sha256(testing::HashOf(version));
    request.set_justification("the chat");
    v1::ApproveScriptResponse response;
    return decision_->ApproveScript(&context, request, &response);
  }

  testing::TempFolder folder_;
  std::unique_ptr<collector::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::QueryService::Stub> query_;
  std::unique_ptr<v1::DecisionService::Stub> decision_;
};

TEST_F(IngestStreamTest, WelcomesSendsPolicyAndAcknowledgesWhatIsStored) {
  AgentClient agent(channel_);
  ASSERT_TRUE(agent.SendHello(kEpoch));
  const auto welcome = agent.ReadWelcome();
  ASSERT_TRUE(welcome.has_value());
  EXPECT_EQ(welcome->protocol_major(), 1u);
  EXPECT_EQ(welcome->collector_version(), "test");
  EXPECT_EQ(welcome->heartbeat_interval_ms(), 10'000u);
  EXPECT_EQ(welcome->batch_findings_max(), kBatchFindingsMax);
  EXPECT_LT(welcome->batch_bytes_max(), 4096u << 10);
  EXPECT_GT(welcome->batch_bytes_max(), 4000u << 10);
  const auto policy = agent.ReadPolicy();
  ASSERT_TRUE(policy.has_value());
  EXPECT_GT(policy->version(), 0u);
  ASSERT_EQ(policy->fingerprint_keys_size(), 1);
  EXPECT_GE(policy->fingerprint_keys(0).key().size(), 32u);
  ASSERT_TRUE(agent.SendBatch(Findings(1, 100)));
  ASSERT_TRUE(agent.ReadAckOf(100));
  EXPECT_EQ(StoredCount(), 100);
  agent.WritesDone();
  EXPECT_EQ(agent.Finish(), grpc::StatusCode::OK);
}

TEST_F(IngestStreamTest, HangingUpTheWritesStillBringsEveryAcknowledgement) {
  auto agent = Connect();
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(agent->SendBatch(Findings(i * 10 + 1, i * 10 + 10)));
  agent->WritesDone();
  EXPECT_EQ(agent->Finish(), grpc::StatusCode::OK);
  EXPECT_EQ(agent->acknowledged(), 50u);
}

TEST_F(IngestStreamTest, WhatComesTwiceIsStoredOnce) {
  auto first = Connect();
  ASSERT_TRUE(first->SendBatch(Findings(1, 50)));
  ASSERT_TRUE(first->ReadAckOf(50));
  ASSERT_TRUE(first->SendBatch(Findings(41, 60)));
  ASSERT_TRUE(first->ReadAckOf(60));
  first->WritesDone();
  first->Finish();
  // The agent lost the last acknowledgements and sends all of it again.
  auto second = Connect(60);
  ASSERT_TRUE(second->SendBatch(Findings(1, 70)));
  ASSERT_TRUE(second->ReadAckOf(70));
  EXPECT_EQ(StoredCount(), 70);
}

TEST_F(IngestStreamTest, ABrokenContractEndsTheStreamAndSaysWhy) {
  struct Case {
    const char* what;
    std::vector<v1::StreamRequest> requests;
    grpc::StatusCode code;
    const char* text;
  };
  const auto hello = [](auto change) {
    v1::StreamRequest request;
    *request.mutable_hello() = AgentClient::MakeHello(kEpoch);
    change(*request.mutable_hello());
    return request;
  };
  const auto batch = [](std::vector<uint64_t> sequences) {
    v1::StreamRequest request;
    request.mutable_batch();
    for (const uint64_t s : sequences) *request.mutable_batch()->add_findings() = CardFinding(s);
    return request;
  };
  const v1::StreamRequest good = hello([](v1::Hello&) {});
  std::vector<uint64_t> many(kBatchFindingsMax + 1);
  for (size_t i = 0; i < many.size(); ++i) many[i] = i + 1;
  const Case cases[] = {
      {"no hello", {batch({1})}, grpc::INVALID_ARGUMENT, "hello"},
      {"two hellos", {good, good}, grpc::INVALID_ARGUMENT, "twice"},
      {"a gap", {good, batch({2})}, grpc::INVALID_ARGUMENT, "not declared lost"},
      {"backwards", {good, batch({2, 1})}, grpc::INVALID_ARGUMENT, "sequence"},
      {"an empty batch", {good, batch({})}, grpc::INVALID_ARGUMENT, "batch"},
      {"too many", {good, batch(many)}, grpc::INVALID_ARGUMENT, "batch.findings"},
      {"another identity",
       {hello([](v1::Hello& h) { h.set_identity("web-1"); })},
       grpc::PERMISSION_DENIED,
       "claims to be 'web-1'"},
      {"another protocol",
       {hello([](v1::Hello& h) { h.set_protocol_major(2); })},
       grpc::FAILED_PRECONDITION,
       "protocol_major"},
      {"no epoch",
       {hello([](v1::Hello& h) { h.set_epoch(0); })},
       grpc::INVALID_ARGUMENT,
       "hello.epoch"},
  };
  for (const Case& c : cases) {
    AgentClient agent(channel_);
    for (const v1::StreamRequest& request : c.requests) agent.Send(request);
    std::string message;
    EXPECT_EQ(agent.Finish(&message), c.code) << c.what;
    EXPECT_THAT(message, HasSubstr(c.text)) << c.what;
  }
  EXPECT_EQ(StoredCount(), 0);
}

TEST_F(IngestStreamTest, DeclaredLossesAreAcknowledgedAndKept) {
  auto agent = Connect();
  v1::LostRange lost;
  lost.set_first_sequence(3);
  lost.set_last_sequence(9);
  lost.set_reason("spool_full");
  std::vector<v1::Finding> findings = Findings(1, 2);
  findings.push_back(CardFinding(10));
  ASSERT_TRUE(agent->SendBatch(findings, {lost}));
  ASSERT_TRUE(agent->ReadAckOf(10));
  EXPECT_EQ(StoredCount(), 3);
}

TEST_F(IngestStreamTest, ASpoolThatBeginsLaterThanTheStoreEndsIsTakenUpThere) {
  AgentClient agent(channel_);
  v1::StreamRequest request;
  *request.mutable_hello() = AgentClient::MakeHello(kEpoch);
  request.mutable_hello()->set_first_sequence(501);
  ASSERT_TRUE(agent.Send(request));
  ASSERT_TRUE(agent.ReadWelcome().has_value());
  ASSERT_TRUE(agent.SendBatch(Findings(501, 510)));
  ASSERT_TRUE(agent.ReadAckOf(510));
  EXPECT_EQ(StoredCount(), 10);
}

TEST_F(IngestStreamTest, APoisonousFindingIsLeftOutAndDoesNotWedgeItsAgent) {
  auto agent = Connect();
  std::vector<v1::Finding> findings = Findings(1, 5);
  findings[1].set_sampling_probability(7);
  // Never a whole card number: neither stored, nor in the log.
  findings[2].set_destination("4111111111111111");
  ASSERT_TRUE(agent->SendBatch(findings));
  ASSERT_TRUE(agent->ReadAckOf(5));
  EXPECT_EQ(StoredCount(), 3);
  std::vector<v1::Finding> all_bad = Findings(6, 7);
  for (v1::Finding& finding : all_bad) finding.clear_site();
  ASSERT_TRUE(agent->SendBatch(all_bad));
  ASSERT_TRUE(agent->ReadAckOf(7));
  EXPECT_EQ(StoredCount(), 3);
}

TEST_F(IngestStreamTest, ANewerStreamTakesOver) {
  auto older = Connect();
  ASSERT_TRUE(older->SendBatch(Findings(1, 10)));
  ASSERT_TRUE(older->ReadAckOf(10));
  auto newer = Connect(10);
  std::string message;
  EXPECT_EQ(older->Finish(&message), grpc::StatusCode::ABORTED);
  EXPECT_THAT(message, HasSubstr("newer stream"));
  ASSERT_TRUE(newer->SendBatch(Findings(11, 20)));
  ASSERT_TRUE(newer->ReadAckOf(20));
  EXPECT_EQ(StoredCount(), 20);
}

TEST_F(IngestStreamTest, AnApprovalReachesConnectedAgentsAtOnce) {
  auto agent = Connect();
  ASSERT_TRUE(agent->SendBatch({ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1)}));
  ASSERT_TRUE(agent->ReadAckOf(1));
  absl::Time before = absl::Now();
  ASSERT_TRUE(Approve(1).ok());
  auto policy = agent->ReadPolicy();
  ASSERT_TRUE(policy.has_value());
  EXPECT_LT(absl::Now() - before, absl::Seconds(1));
  ASSERT_EQ(policy->approved_scripts_size(), 1);
  EXPECT_EQ(policy->approved_scripts(0).script(), "js/chat.js");
  EXPECT_TRUE(policy->approved_scripts(0).sha256() == testing::HashOf(1));
  const uint64_t version = policy->version();

  before = absl::Now();
  grpc::ClientContext context;
  v1::RevokeScriptRequest request;
  request.set_site("shop");
  request.set_name("js/chat.js");
  request.set_sha256(testing::HashOf(1));
  request.set_reason("altered");
  v1::RevokeScriptResponse response;
  ASSERT_TRUE(decision_->RevokeScript(&context, request, &response).ok());
  policy = agent->ReadPolicy();
  ASSERT_TRUE(policy.has_value());
  EXPECT_LT(absl::Now() - before, absl::Seconds(1));
  EXPECT_GT(policy->version(), version);
  EXPECT_EQ(policy->approved_scripts_size(), 0);
}

TEST_F(IngestStreamTest, APolicyOutlivesARestart) {
  {
    auto agent = Connect();
    ASSERT_TRUE(agent->SendBatch({ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1)}));
    ASSERT_TRUE(agent->ReadAckOf(1));
    ASSERT_TRUE(Approve(1).ok());
  }
  StartServer(testing::TestConfig(folder_.path()));
  AgentClient agent(channel_);
  ASSERT_TRUE(agent.SendHello(kEpoch));
  auto policy = agent.ReadPolicy();
  ASSERT_TRUE(policy.has_value());
  EXPECT_EQ(policy->approved_scripts_size(), 1);
  const uint64_t version = policy->version();
  // Another flow in the configuration is another version.
  config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
  v1::ExpectedFlow* flow = config.add_expected_flows();
  flow->set_name("processor");
  flow->set_host("api.processor.example");
  agent.Cancel();
  StartServer(config);
  AgentClient again(channel_);
  ASSERT_TRUE(again.SendHello(kEpoch));
  policy = again.ReadPolicy();
  ASSERT_TRUE(policy.has_value());
  EXPECT_GT(policy->version(), version);
  EXPECT_EQ(policy->expected_flows_size(), 1);
}

TEST_F(IngestStreamTest, OperatorsHaveASocketThatIsNotTheAgents) {
  config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
  config.set_operator_socket("unix:" + folder_.File("operator.sock"));
  config.mutable_roles(0)->set_identity("local-operator");
  StartServer(config);
  auto agent = Connect();
  {
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    EXPECT_EQ(query_->ListAgents(&context, {}, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
  }
  const auto channel =
      grpc::CreateChannel(config.operator_socket(), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::ListAgentsResponse response;
  const grpc::Status status =
      v1::QueryService::NewStub(channel)->ListAgents(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  AgentClient stray(channel);
  stray.SendHello(kEpoch);
  EXPECT_EQ(stray.Finish(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IngestStreamTest, HeartbeatsShowInTheListOfAgents) {
  auto agent = Connect();
  v1::StreamRequest request;
  request.mutable_heartbeat()->mutable_coverage()->set_scanned_bytes(4321);
  request.mutable_heartbeat()->mutable_spool()->set_bytes(17);
  request.mutable_heartbeat()->set_sample_ratio(1);
  ASSERT_TRUE(agent->Send(request));
  v1::Agent found;
  for (int i = 0; i < 500 && found.coverage().scanned_bytes() == 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    ASSERT_TRUE(query_->ListAgents(&context, {}, &response).ok());
    if (response.agents_size() == 1) found = response.agents(0);
  }
  EXPECT_EQ(found.identity(), "local");
  EXPECT_EQ(found.state(), v1::Agent::STATE_CONNECTED);
  EXPECT_EQ(found.coverage().scanned_bytes(), 4321u);
  EXPECT_EQ(found.spool().bytes(), 17u);
}

TEST_F(IngestStreamTest, AWatcherSeesFindingsAsTheyAreCommitted) {
  auto agent = Connect();
  grpc::ClientContext context;
  auto watch = query_->WatchFindings(&context, {});
  v1::WatchFindingsResponse response;
  ASSERT_TRUE(watch->Read(&response));
  ASSERT_TRUE(agent->SendBatch(Findings(1, 3)));
  for (uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(watch->Read(&response));
    EXPECT_EQ(response.finding().finding().sequence(), i);
    EXPECT_GT(response.finding().exposure_id(), 0u);
  }
  context.TryCancel();
  while (watch->Read(&response)) {
  }
  watch->Finish();
}

TEST_F(IngestStreamTest, AnAgentAboveItsRateIsHeldBackAndLosesNothing) {
  config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
  config.mutable_ingest()->set_findings_per_second_per_agent(1000);
  StartServer(config);
  auto agent = Connect();
  const absl::Time before = absl::Now();
  std::thread reader([&] { EXPECT_TRUE(agent->ReadAckOf(1900)); });
  for (uint64_t i = 0; i < 19; ++i) {
    ASSERT_TRUE(agent->SendBatch(Findings(i * 100 + 1, i * 100 + 100)));
  }
  reader.join();
  // A burst of 1000 is free, and the last batch is taken when the one before it is paid for.
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(790));
  EXPECT_EQ(StoredCount(), 1900);
}

TEST_F(IngestStreamTest, StreamsAreLimited) {
  config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
  config.mutable_ingest()->set_streams_max(1);
  StartServer(config);
  auto one = Connect();
  AgentClient two(channel_);
  std::string message;
  EXPECT_EQ(two.Finish(&message), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(message, HasSubstr("streams_max"));
  ASSERT_TRUE(one->SendBatch(Findings(1, 1)));
  EXPECT_TRUE(one->ReadAckOf(1));
}

TEST_F(IngestStreamTest, MessagesAreLimited) {
  auto agent = Connect();
  v1::StreamRequest request;
  *request.mutable_batch()->add_findings() = CardFinding(1);
  request.mutable_batch()->mutable_findings(0)->set_rule(std::string(5 << 20, 'x'));
  agent->Send(request);
  EXPECT_EQ(agent->Finish(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(IngestStreamTest, DrainingAcknowledgesWhatCameAndThenEndsEveryStream) {
  auto agent = Connect();
  for (uint64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(agent->SendBatch(Findings(i * 100 + 1, i * 100 + 100)));
  }
  ASSERT_TRUE(agent->ReadAckOf(100));
  std::thread drain([&] { server_->Drain(absl::Seconds(10)); });
  std::string message;
  EXPECT_EQ(agent->Finish(&message), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(message, HasSubstr("shutting down"));
  drain.join();
  EXPECT_FALSE(server_->Ready().ok());
  const uint64_t acknowledged = agent->acknowledged();
  agent.reset();
  StartServer(testing::TestConfig(folder_.path()));
  // What was received but read by nobody is not acknowledged, and what is acknowledged is there.
  EXPECT_EQ(static_cast<uint64_t>(StoredCount()), acknowledged);
  Connect(acknowledged);
}

TEST_F(IngestStreamTest, ReflectionIsOffUnlessAskedFor) {
  const auto call = [&] {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    auto stream = stub.PrepareCall(
        &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
    void* tag = nullptr;
    bool ok = false;
    stream->StartCall(&stream);
    queue.Next(&tag, &ok);
    stream->WritesDone(&stream);
    queue.Next(&tag, &ok);
    grpc::Status status;
    stream->Finish(&status, &status);
    queue.Next(&tag, &ok);
    return status.error_code();
  };
  EXPECT_EQ(call(), grpc::StatusCode::UNIMPLEMENTED);
  config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
  config.set_reflection(true);
  StartServer(config);
  EXPECT_EQ(call(), grpc::StatusCode::OK);
  // One server's wish is not another's.
  StartServer(testing::TestConfig(folder_.path()));
  EXPECT_EQ(call(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace skimwatch::ingest
