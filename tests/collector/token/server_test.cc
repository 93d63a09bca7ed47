// A collector that takes tokens, and so takes connections without a certificate: what each caller
// reaches of every method that it serves.

#include "collector/server.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/api/authorization.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/tls/credentials.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/test_ca.h"
#include "tests/collector/token/token_key.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::collector {
namespace {

using grpc::StatusCode;
using testing::ClaimsOfAlice;
using ::testing::HasSubstr;
using testing::TokenKey;

// Paths of every method of the services that this program knows, and of gRPC's own.
std::vector<std::string> AllMethods() {
  std::vector<std::string> paths = {
      "/grpc.health.v1.Health/Check",
      "/grpc.health.v1.Health/Watch",
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      "/skimwatch.v1.QueryService/NoSuchMethod",
      "/skimwatch.v1.QueryService.ListAgents",
      "/skimwatch.v1.NoSuchService/ListAgents",
      "/"};
  const std::filesystem::path folder = SKIMWATCH_SOURCE_DIR "/proto/skimwatch/v1";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const google::protobuf::FileDescriptor* const file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
            absl::StrCat("skimwatch/v1/", entry.path().filename().string()));
    for (int i = 0; file != nullptr && i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor& service = *file->service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        paths.push_back(absl::StrCat("/", service.full_name(), "/", service.method(j)->name()));
      }
    }
  }
  return paths;
}

bool IsOperators(std::string_view path) {
  for (const api::MethodRole& entry : api::MethodRoles()) {
    std::string its_path = absl::StrCat("/", std::string(entry.method));
    its_path[its_path.rfind('.')] = '/';
    if (its_path == path) return true;
  }
  return false;
}

class TokenServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_.File("jwks.json")) << testing::Jwks({key_.Jwk()});
    config_ = testing::TestConfig(folder_.path());
    tls_ = ca_.Issue("collector");
    *config_.mutable_tls() = tls_;
    config_.clear_roles();
    config_.clear_agents();
    config_.add_agents("web-*");
    config_.set_reflection(true);
    config_.set_operator_socket(absl::StrCat("unix:", folder_.File("operator.sock")));
    config::v1::TokenIssuer& issuer = *config_.add_token_issuers();
    issuer.set_issuer("https://login.example.com");
    issuer.set_audience("skimwatch");
    issuer.set_jwks_file(folder_.File("jwks.json"));
    issuer.set_name_claim("sub");
    issuer.set_leeway_seconds(0);
    AddRole("groups=sre", "viewer");
    AddRole("groups=payments-oncall", "admin");
    config::v1::RoleRule& everybody = *config_.add_roles();
    everybody.set_identity("ops-*");
    everybody.set_role("admin");
    auto server = Server::Start({.config = config_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    // Until the keys are there.
    ASSERT_TRUE(testing::WaitUntil([&] { return ListAgents(Alice()).ok(); }));
  }

  void AddRole(const std::string& claim, const std::string& role) {
    config::v1::RoleRule& rule = *config_.add_roles();
    rule.set_claim(claim);
    rule.set_role(role);
  }

  std::string Alice(std::string_view more = R"("groups":["payments-oncall","sre"])") const {
    return key_.Token("ES256", ClaimsOfAlice(absl::Now(), more));
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", server_->port()); }

  std::shared_ptr<grpc::Channel> WithoutCertificate() const {
    auto credentials = tls::ChannelCredentialsWithoutCertificate(tls_, address());
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return grpc::CreateChannel(address(), *credentials);
  }

  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                           const std::vector<std::string>& authorizations) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(3));
    for (const std::string& value : authorizations) context.AddMetadata("authorization", value);
    grpc::GenericStub stub(channel);
    grpc::CompletionQueue queue;
    const grpc::Slice empty("", 0);
    const grpc::ByteBuffer request(&empty, 1);
    grpc::ByteBuffer response;
    auto reader = stub.PrepareUnaryCall(&context, path, request, &queue);
    reader->StartCall();
    grpc::Status status;
    reader->Finish(&response, &status, &status);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }

  grpc::Status ListAgents(const std::string& token) const {
    return Call(WithoutCertificate(), "/skimwatch.v1.QueryService/ListAgents", {"Bearer " + token});
  }

  testing::TempFolder folder_;
  testing::TestCa ca_{folder_.File("ca")};
  const TokenKey key_{"P-256", "k1"};
  config::v1::CollectorConfig config_;
  config::v1::Tls tls_;
  std::unique_ptr<Server> server_;
};

TEST_F(TokenServerTest, GivesNobodyWithoutCertificateMoreThanATokenDoes) {
  const std::vector<std::string> methods = AllMethods();
  ASSERT_GT(methods.size(), 20u);
  const std::shared_ptr<grpc::Channel> channel = WithoutCertificate();
  const TokenKey stranger("P-256", "k1");
  const std::string good = "Bearer " + Alice();
  const std::vector<std::pair<std::string, std::vector<std::string>>> nobodies = {
      {"nothing", {}},
      {"an empty token", {"Bearer "}},
      {"no token", {"Basic YWRtaW46YWRtaW4="}},
      {"rubbish", {"Bearer x.y.z"}},
      {"two tokens", {good, good}},
      {"another's token", {"Bearer " + stranger.Token("ES256", ClaimsOfAlice(absl::Now()))}},
      {"an old token",
       {"Bearer " + key_.Token("ES256", ClaimsOfAlice(absl::Now() - absl::Hours(1)))}}};
  for (const std::string& path : methods) {
    for (const auto& [what, authorizations] : nobodies) {
      const grpc::Status status = Call(channel, path, authorizations);
      EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED)
          << path << " with " << what << ": " << status.error_message();
    }
    // A good token without a role, and one of an admin.
    const StatusCode with_token = Call(channel, path, {"Bearer " + Alice("")}).error_code();
    EXPECT_EQ(with_token,
              IsOperators(path) ? StatusCode::PERMISSION_DENIED : StatusCode::UNAUTHENTICATED)
        << path;
    const grpc::Status as_admin = Call(channel, path, {good});
    if (IsOperators(path)) {
      EXPECT_NE(as_admin.error_code(), StatusCode::UNAUTHENTICATED) << path;
      EXPECT_NE(as_admin.error_code(), StatusCode::PERMISSION_DENIED) << path;
    } else {
      EXPECT_EQ(as_admin.error_code(), StatusCode::UNAUTHENTICATED) << path;
    }
  }
}

TEST_F(TokenServerTest, LetsCertificatesDoWhatTheyDidBefore) {
  const auto agent = testing::ConnectTo(server_->port(), ca_.Issue("web-1"));
  EXPECT_TRUE(Call(agent, "/grpc.health.v1.Health/Check", {}).ok());
  EXPECT_EQ(Call(agent, "/skimwatch.v1.QueryService/ListAgents", {}).error_code(),
            StatusCode::PERMISSION_DENIED);
  testing::AgentClient stream(agent);
  ASSERT_TRUE(stream.SendHello(1));
  EXPECT_TRUE(stream.ReadWelcome().has_value());
  const auto operator_channel = testing::ConnectTo(server_->port(), ca_.Issue("ops-1"));
  EXPECT_TRUE(Call(operator_channel, "/skimwatch.v1.QueryService/ListAgents", {}).ok());
  // An agent has no use for a token, and its stream is its certificate's either way.
  EXPECT_TRUE(Call(agent, "/skimwatch.v1.QueryService/ListAgents", {"Bearer " + Alice()}).ok());
}

TEST_F(TokenServerTest, RefusesCertificatesOfOtherAuthorities) {
  testing::TestCa other(folder_.File("other"));
  config::v1::Tls tls = other.Issue("ops-1");
  tls.set_ca_file(tls_.ca_file());
  const auto channel = testing::ConnectTo(server_->port(), tls);
  // Not even with a token: a certificate that is no good ends the connection.
  EXPECT_EQ(
      Call(channel, "/skimwatch.v1.QueryService/ListAgents", {"Bearer " + Alice()}).error_code(),
      StatusCode::UNAVAILABLE);
}

// A token that is no good is not made good by the certificate beside it.
TEST_F(TokenServerTest, NeverFallsBackToTheCertificate) {
  const auto channel = testing::ConnectTo(server_->port(), ca_.Issue("ops-1"));
  EXPECT_EQ(Call(channel, "/skimwatch.v1.QueryService/ListAgents", {"Bearer x.y.z"}).error_code(),
            StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(
      Call(channel, "/skimwatch.v1.QueryService/ListAgents", {"Bearer " + Alice("")}).error_code(),
      StatusCode::PERMISSION_DENIED);
}

TEST_F(TokenServerTest, TakesNoTokenInTheClear) {
  const auto channel =
      grpc::CreateChannel(config_.operator_socket(), grpc::InsecureChannelCredentials());
  const grpc::Status status =
      Call(channel, "/skimwatch.v1.QueryService/ListAgents", {"Bearer " + Alice()});
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("in the clear"));
}

TEST_F(TokenServerTest, GivesTheHighestRoleOfAllClaims) {
  EXPECT_TRUE(ListAgents(Alice(R"("groups":["sre"])")).ok());
  const std::string close = "/skimwatch.v1.DecisionService/CloseExposure";
  EXPECT_EQ(
      Call(WithoutCertificate(), close, {"Bearer " + Alice(R"("groups":["sre"])")}).error_code(),
      StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Call(WithoutCertificate(), close, {"bearer " + Alice()}).error_code(),
            StatusCode::INVALID_ARGUMENT);
  // `ops-*` is for certificates.
  const grpc::Status status = ListAgents(
      key_.Token("ES256", R"({"iss":"https://login.example.com","aud":"skimwatch","sub":"ops-1",)"
                          R"("exp":4000000000,"groups":"SRE"})"));
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("'oidc:login.example.com#ops-1' has no role"));
}

TEST_F(TokenServerTest, TakesTokensWithManyGroups) {
  std::string groups = "\"payments-oncall\"";
  for (int i = 0; i < 250; ++i) absl::StrAppend(&groups, ",\"group-of-a-large-company-", i, "\"");
  const std::string token = Alice(absl::StrCat("\"groups\":[", groups, "]"));
  ASSERT_GT(token.size(), 9000u);
  const grpc::Status status = ListAgents(token);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(TokenServerTest, EndsAWatchWithItsToken) {
  const auto stub = v1::QueryService::NewStub(WithoutCertificate());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  const int64_t expires = absl::ToUnixSeconds(absl::Now()) + 2;
  context.AddMetadata(
      "authorization",
      absl::StrCat("Bearer ",
                   key_.Token("ES256", absl::StrCat(R"({"iss":"https://login.example.com",)"
                                                    R"("aud":"skimwatch","sub":"a","exp":)",
                                                    expires, R"(,"groups":"sre"})"))));
  const auto watch = stub->WatchFindings(&context, {});
  v1::WatchFindingsResponse response;
  EXPECT_TRUE(watch->Read(&response));
  EXPECT_FALSE(watch->Read(&response));
  const grpc::Status status = watch->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED) << status.error_message();
  EXPECT_GE(absl::ToUnixSeconds(absl::Now()), expires);
}

}  // namespace
}  // namespace skimwatch::collector
