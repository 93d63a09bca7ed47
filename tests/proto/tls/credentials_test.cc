#include "proto/tls/credentials.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/ingest_service.grpc.pb.h"
#include "tests/proto/tls/certificates.h"

namespace skimwatch::tls {
namespace {

using ::skimwatch::testing::CertificateAuthority;
using ::skimwatch::testing::CertifiedKey;
using ::skimwatch::testing::LeafOptions;
using ::skimwatch::testing::ReplaceFile;
using ::skimwatch::testing::ServerLeaf;
using ::skimwatch::testing::SpiffeLeaf;
using ::skimwatch::testing::WriteTlsFiles;
using ::testing::HasSubstr;

// Answers every stream with the caller's identity, in Welcome.collector_version.
class WhoAmI : public v1::IngestService::Service {
 public:
  grpc::Status Stream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* stream) override {
    const absl::StatusOr<std::string> identity = PeerIdentity(*context->auth_context());
    if (!identity.ok()) {
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                          std::string(identity.status().message()));
    }
    const absl::StatusOr<absl::Time> expiry = PeerCertificateExpiry(*context->auth_context());
    v1::StreamResponse response;
    response.mutable_welcome()->set_collector_version(*identity);
    response.mutable_welcome()->set_committed_sequence(
        expiry.ok() ? static_cast<uint64_t>(absl::ToUnixSeconds(*expiry)) : 0);
    stream->Write(response);
    return grpc::Status::OK;
  }
};

class Credentials : public ::testing::Test {
 protected:
  Credentials()
      : directory_(absl::StrCat(::testing::TempDir(), "/credentials.", getpid())),
        ca_("test CA"),
        server_tls_(WriteTlsFiles(directory_ + "/server", ca_.Issue(ServerLeaf()), ca_)) {}
  ~Credentials() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(directory_);
  }

  void StartServer(std::string address = "127.0.0.1:0") {
    auto credentials = ServerCredentials(server_tls_, address);
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    StartServer(std::move(address), *std::move(credentials));
  }
  void StartServer(std::string address, std::shared_ptr<grpc::ServerCredentials> credentials) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, std::move(credentials), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = address.starts_with("unix:") ? address : absl::StrCat("127.0.0.1:", port);
  }

  struct Answer {
    grpc::Status status;
    std::string identity;
    absl::Time expiry;
  };
  Answer Ask(std::shared_ptr<grpc::ChannelCredentials> credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    auto stub = v1::IngestService::NewStub(
        grpc::CreateCustomChannel(address_, std::move(credentials), arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    auto stream = stub->Stream(&context);
    v1::StreamResponse response;
    stream->Read(&response);
    stream->WritesDone();
    return {.status = stream->Finish(),
            .identity = response.welcome().collector_version(),
            .expiry = absl::FromUnixSeconds(
                static_cast<int64_t>(response.welcome().committed_sequence()))};
  }
  Answer AskAs(const config::v1::Tls& tls) {
    auto credentials = ChannelCredentials(tls, address_);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return Ask(*credentials);
  }
  config::v1::Tls ClientFiles(const LeafOptions& leaf, const CertificateAuthority& ca) {
    return WriteTlsFiles(directory_ + "/client", ca.Issue(leaf), ca_);
  }

  const std::string directory_;
  const CertificateAuthority ca_;
  config::v1::Tls server_tls_;
  WhoAmI service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(Credentials, CarryTheSpiffeIdentity) {
  StartServer();
  LeafOptions leaf = SpiffeLeaf("agent/web-1");
  leaf.not_after = absl::FromUnixSeconds(4102444800);
  const Answer answer = AskAs(ClientFiles(leaf, ca_));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.identity, "spiffe://example.org/agent/web-1");
  EXPECT_EQ(answer.expiry, absl::FromUnixSeconds(4102444800));
}

TEST_F(Credentials, CarryTheCommonName) {
  StartServer();
  EXPECT_EQ(AskAs(ClientFiles({.common_name = "web-1"}, ca_)).identity, "web-1");
}

TEST_F(Credentials, RefuseAClientWithoutACertificate) {
  StartServer();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_.certificate_pem();
  EXPECT_EQ(Ask(grpc::SslCredentials(options)).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Credentials, RefuseAClientOfAnotherAuthority) {
  StartServer();
  const CertificateAuthority other("test CA");
  EXPECT_EQ(AskAs(ClientFiles(SpiffeLeaf("agent"), other)).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Credentials, RefuseAServerOfAnotherAuthority) {
  const CertificateAuthority other("test CA");
  const config::v1::Tls client = ClientFiles(SpiffeLeaf("agent"), ca_);
  server_tls_ = WriteTlsFiles(directory_ + "/server", other.Issue(ServerLeaf()), ca_);
  StartServer();
  EXPECT_EQ(AskAs(client).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Credentials, RefuseAServerThatIsNotWhoWasAskedFor) {
  LeafOptions leaf = ServerLeaf();
  leaf.addresses = {"127.0.0.9"};
  server_tls_ = WriteTlsFiles(directory_ + "/server", ca_.Issue(leaf), ca_);
  StartServer();
  config::v1::Tls client = ClientFiles(SpiffeLeaf("agent"), ca_);
  const Answer refused = AskAs(client);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  client.set_server_name("localhost");
  EXPECT_TRUE(AskAs(client).status.ok()) << "the name it has was asked for";
}

TEST_F(Credentials, AcceptAServerBySpiffeName) {
  server_tls_ = WriteTlsFiles(directory_ + "/server", ca_.Issue(SpiffeLeaf("collector")), ca_);
  StartServer();
  config::v1::Tls client = ClientFiles(SpiffeLeaf("agent"), ca_);
  client.set_server_name("spiffe://example.org/collector");
  const Answer answer = AskAs(client);
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
}

TEST_F(Credentials, RefuseACertificateThatExpiredAfterItWasLoaded) {
  StartServer();
  LeafOptions leaf = SpiffeLeaf("agent");
  leaf.not_after = absl::Now() + absl::Seconds(1);
  auto credentials = ChannelCredentials(ClientFiles(leaf, ca_), address_);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  absl::SleepFor(absl::Seconds(2.1));
  EXPECT_EQ(Ask(*credentials).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Credentials, TakeNewFilesWithoutARestart) {
  StartServer();
  const config::v1::Tls client = ClientFiles(SpiffeLeaf("before"), ca_);
  auto credentials = ChannelCredentials(client, address_);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(Ask(*credentials).identity, "spiffe://example.org/before");

  const CertifiedKey own = ca_.Issue(SpiffeLeaf("after"));
  ReplaceFile(client.key_file(), own.key_pem);
  ReplaceFile(client.certificate_file(), own.certificate_pem);
  const absl::Time deadline = absl::Now() + absl::Seconds(15);
  std::string identity;
  while (identity != "spiffe://example.org/after" && absl::Now() < deadline) {
    identity = Ask(*credentials).identity;
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(identity, "spiffe://example.org/after");
}

TEST_F(Credentials, CallAPlaintextPeerLocal) {
  server_tls_.Clear();
  server_tls_.set_plaintext(true);
  StartServer(absl::StrCat("unix:", directory_, "/socket"));
  const Answer answer = AskAs(server_tls_);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.identity, "local");
}

TEST_F(Credentials, TellPeersOfTheOperatorsSocketFromOtherPlaintext) {
  StartServer(absl::StrCat("unix:", directory_, "/socket"), OperatorSocketCredentials());
  config::v1::Tls plaintext;
  plaintext.set_plaintext(true);
  const Answer answer = AskAs(plaintext);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.identity, "local-operator");
}

TEST_F(Credentials, ServeNoOperatorsSocketOverTcp) {
  StartServer("127.0.0.1:0", OperatorSocketCredentials());
  config::v1::Tls plaintext;
  plaintext.set_plaintext(true);
  EXPECT_FALSE(AskAs(plaintext).status.ok());
}

TEST_F(Credentials, WorkOverAUnixSocket) {
  StartServer(absl::StrCat("unix:", directory_, "/socket"));
  const Answer answer = AskAs(ClientFiles(SpiffeLeaf("agent"), ca_));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.identity, "spiffe://example.org/agent");
}

TEST_F(Credentials, RefusePlaintextBeyondThisHost) {
  config::v1::Tls tls;
  tls.set_plaintext(true);
  EXPECT_EQ(ServerCredentials(tls, "0.0.0.0:9463").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ChannelCredentials(tls, "collector.example.org:9463").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace skimwatch::tls
