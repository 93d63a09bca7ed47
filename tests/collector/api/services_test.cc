#include "collector/api/services.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/decision_service.grpc.pb.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::api {
namespace {

using skimwatch::testing::CardFinding;
using skimwatch::testing::FingerprintOf;
using skimwatch::testing::HashOf;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::ScriptFinding;
using ::testing::HasSubstr;

// Calls a method by name with an empty request, as anybody with a certificate can.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  grpc::CompletionQueue queue;
  const size_t dot = method.rfind('.');
  const std::string path = "/" + method.substr(0, dot) + "/" + method.substr(dot + 1);
  const auto stream = stub.PrepareCall(&context, path, &queue);
  const grpc::Slice nothing("");
  const grpc::ByteBuffer empty(&nothing, 1);
  grpc::ByteBuffer answer;
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(reinterpret_cast<void*>(1));
  queue.Next(&tag, &ok);
  if (ok) {
    stream->WriteLast(empty, grpc::WriteOptions(), reinterpret_cast<void*>(2));
    queue.Next(&tag, &ok);
    stream->Read(&answer, reinterpret_cast<void*>(3));
    queue.Next(&tag, &ok);
    // A watch would go on for ever.
    if (ok) {
      context.TryCancel();
      return grpc::Status::OK;
    }
  }
  stream->Finish(&status, reinterpret_cast<void*>(4));
  queue.Next(&tag, &ok);
  return status;
}

TEST(Services, RefuseEveryMethodToACertificateWithoutARole) {
  OperatorServer server;
  const auto agent = server.Channel("web-1");
  for (const MethodRole& entry : MethodRoles()) {
    const grpc::Status status = Call(agent, std::string(entry.method));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << entry.method;
    EXPECT_THAT(status.error_message(), HasSubstr("'web-1' has no role"));
  }
}

TEST(Services, GiveEachCertificateWhatItsRoleMay) {
  OperatorServer server;
  const auto viewer = server.Channel("viewer");
  const auto approver = server.Channel("approver");
  const auto admin = server.Channel("admin");
  for (const MethodRole& entry : MethodRoles()) {
    const std::string method(entry.method);
    EXPECT_EQ(Call(viewer, method).error_code() == grpc::StatusCode::PERMISSION_DENIED,
              entry.role != Role::kViewer)
        << method;
    for (const auto& channel : {approver, admin}) {
      const grpc::StatusCode code = Call(channel, method).error_code();
      EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::INVALID_ARGUMENT)
          << method << " " << code;
    }
  }
}

TEST(Services, AuthorizeBeforeTheyLookAtTheRequest) {
  OperatorServer server;
  // An empty request for a decision is a bad one, which this caller must not be told.
  EXPECT_EQ(
      Call(server.Channel("viewer"), "skimwatch.v1.DecisionService.ApproveScript").error_code(),
      grpc::StatusCode::PERMISSION_DENIED);
}

TEST(Services, KnowPlaintextCallersAsLocalByExplicitRuleOnly) {
  config::v1::RoleRule everybody;
  everybody.set_identity("*");
  everybody.set_role("admin");
  config::v1::RoleRule local;
  local.set_identity("local");
  local.set_role("viewer");
  OperatorServer closed({.plaintext = true, .roles = {everybody}});
  OperatorServer open({.plaintext = true, .roles = {everybody, local}});
  const auto channel = [](const OperatorServer& server) {
    return grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  };
  const std::string list = "skimwatch.v1.QueryService.ListAgents";
  EXPECT_EQ(Call(channel(closed), list).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(Call(channel(open), list).ok());
  EXPECT_EQ(Call(channel(open), "skimwatch.v1.QueryService.CheckCard").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST(Services, SayWhenTooMuchIsWaiting) {
  OperatorServer server({.work_waiting_max = 0});
  const grpc::Status status =
      Call(server.Channel("viewer"), "skimwatch.v1.QueryService.ListAgents");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("try again later"));
}

TEST(QueryService, AnswersFromTheStore) {
  OperatorServer server;
  const uint64_t id = server.Add(CardFinding(1, {.card = 7}));
  ASSERT_NE(id, 0u);
  auto stub = v1::QueryService::NewStub(server.Channel("approver"));
  {
    grpc::ClientContext context;
    v1::ListExposuresResponse response;
    ASSERT_TRUE(stub->ListExposures(&context, {}, &response).ok());
    ASSERT_EQ(response.exposures_size(), 1);
    EXPECT_EQ(response.exposures(0).distinct_cards(), 1u);
  }
  {
    grpc::ClientContext context;
    v1::GetExposureRequest request;
    request.set_id(id);
    v1::GetExposureResponse response;
    ASSERT_TRUE(stub->GetExposure(&context, request, &response).ok());
    EXPECT_EQ(response.findings_size(), 1);
  }
  {
    grpc::ClientContext context;
    v1::CheckCardRequest request;
    request.add_fingerprints(FingerprintOf(8));
    request.add_fingerprints(FingerprintOf(7));
    v1::CheckCardResponse response;
    ASSERT_TRUE(stub->CheckCard(&context, request, &response).ok());
    ASSERT_EQ(response.sightings_size(), 1);
    EXPECT_EQ(response.sightings(0).exposure_id(), id);
  }
  {
    grpc::ClientContext context;
    v1::GetFingerprintKeysResponse response;
    ASSERT_TRUE(stub->GetFingerprintKeys(&context, {}, &response).ok());
    ASSERT_EQ(response.keys_size(), 1);
    EXPECT_EQ(response.keys(0).id(), "test");
  }
  {
    grpc::ClientContext context;
    v1::GetExposureRequest request;
    request.set_id(id + 1);
    v1::GetExposureResponse response;
    EXPECT_EQ(stub->GetExposure(&context, request, &response).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
}

TEST(DecisionService, DecidesInTheNameOfTheCertificate) {
  OperatorServer server;
  server.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  const uint64_t id = server.Add(CardFinding(2));
  auto stub = v1::DecisionService::NewStub(server.Channel("approver"));
  {
    grpc::ClientContext context;
    v1::ApproveScriptRequest request;
    request.set_site("shop");
    request.set_name("js/chat.js");
    request.set_sha256(HashOf(1));
    request.set_justification("the chat");
    v1::ApproveScriptResponse response;
    const grpc::Status status = stub->ApproveScript(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.script().state(), v1::Script::STATE_APPROVED);
    const auto script = server.store().GetScript("shop", "js/chat.js");
    EXPECT_EQ(script->history(0).approval().approved_by(), "approver");
  }
  {
    grpc::ClientContext context;
    v1::RevokeScriptRequest request;
    request.set_site("shop");
    request.set_name("js/chat.js");
    request.set_sha256(HashOf(1));
    request.set_reason("altered");
    v1::RevokeScriptResponse response;
    const grpc::Status status = stub->RevokeScript(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.script().state(), v1::Script::STATE_CHANGED);
  }
  {
    grpc::ClientContext context;
    v1::CloseExposureRequest request;
    request.set_id(id);
    request.set_reason("dealt with");
    v1::CloseExposureResponse response;
    const grpc::Status status = stub->CloseExposure(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.exposure().closed_by(), "approver");
  }
}

}  // namespace
}  // namespace skimwatch::api
