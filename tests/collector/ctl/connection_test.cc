#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/ctl/program.h"
#include "tests/collector/support/operator_server.h"
#include "tests/collector/support/temp_store.h"
#include "tests/collector/support/test_authority.h"

namespace skimwatch::ctl {
namespace {

using skimwatch::testing::Ctl;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::Result;
using skimwatch::testing::TempFolder;
using skimwatch::testing::TestAuthority;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::string> kList = {"agents", "list"};

std::vector<std::string> Files(const config::v1::Tls& tls) {
  return {"--certificate", tls.certificate_file(), "--key", tls.key_file(), "--ca", tls.ca_file()};
}

Ctl To(const OperatorServer& server, const config::v1::Tls& tls) {
  Ctl ctl(server.folder());
  ctl.options = Files(tls);
  ctl.options.insert(ctl.options.end(), {"--collector", server.address()});
  return ctl;
}

TEST(Connection, SaysWhenNothingListens) {
  TempFolder folder;
  TestAuthority authority(folder.path());
  Ctl ctl(folder);
  ctl.options = Files(authority.Issue("ann"));
  ctl.options.insert(ctl.options.end(), {"--collector", "127.0.0.1:1"});
  const Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, StartsWith("skimwatchctl: cannot reach the collector at 127.0.0.1:1: "
                                     "nothing listens there; look whether the collector runs"));
}

TEST(Connection, SaysWhenTheHostIsNotKnown) {
  TempFolder folder;
  TestAuthority authority(folder.path());
  Ctl ctl(folder);
  ctl.options = Files(authority.Issue("ann"));
  ctl.options.insert(ctl.options.end(), {"--collector", "no-such-host.invalid:9463"});
  const Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("the host name is not known; look at --collector"));
}

TEST(Connection, SaysWhenTheCollectorIsOfAnotherAuthority) {
  OperatorServer server;
  TestAuthority other(server.folder().path(), "other");
  config::v1::Tls tls = server.authority().Issue("admin");
  tls.set_ca_file(other.ca_file());
  const Result result = To(server, tls).Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("not signed by an authority of --ca"));
}

TEST(Connection, SaysWhenTheCollectorDoesNotTakeTheCertificate) {
  OperatorServer server;
  TestAuthority other(server.folder().path(), "other");
  config::v1::Tls tls = other.Issue("admin");
  tls.set_ca_file(server.authority().ca_file());
  const Result result = To(server, tls).Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              HasSubstr("it takes TLS with a certificate that its own authority signed"));
}

TEST(Connection, SaysWhenTheOwnCertificateHasExpired) {
  OperatorServer server;
  const config::v1::Tls tls = server.authority().Issue("admin", -absl::Minutes(1));
  const Result result = To(server, tls).Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr(tls.certificate_file()));
  EXPECT_THAT(result.err, HasSubstr("expired"));
}

TEST(Connection, SaysWhenTheCollectorHasAnotherName) {
  OperatorServer server;
  Ctl ctl = To(server, server.authority().Issue("admin"));
  ctl.options.insert(ctl.options.end(), {"--server-name", "collector.example"});
  const Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--server-name"));
  ctl.options.back() = "localhost";
  EXPECT_EQ(ctl.Run(kList).code, 0);
}

TEST(Connection, SaysWhenOnlyOneSideSpeaksTls) {
  OperatorServer tls_server;
  OperatorServer plain_server({.plaintext = true});
  Ctl plain(tls_server.folder());
  plain.options = {"--plaintext", "--collector", tls_server.address()};
  Result result = plain.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("do not use --plaintext"));
  result = To(plain_server, plain_server.authority().Issue("admin")).Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("speaks no TLS"));
}

TEST(Connection, SaysWhoHasNoRole) {
  OperatorServer server;
  const Result result = To(server, server.authority().Issue("web-1")).Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err,
            "skimwatchctl: 'web-1' has no role, and ListAgents needs the role viewer; whoever runs "
            "the collector can give it with an entry {identity: 'web-1', role: viewer} under "
            "`roles` of its configuration\n");
}

TEST(Connection, SaysWhichFilesAreMissing) {
  OperatorServer server;
  Ctl ctl(server.folder());
  Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("missing: --certificate, --key, --ca"));
  config::v1::Tls tls = server.authority().Issue("admin");
  tls.set_key_file("/no/such.key");
  result = To(server, tls).Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/no/such.key"));
}

TEST(Connection, TakesPlaintextOnThisMachineOnly) {
  config::v1::RoleRule local;
  local.set_identity("local");
  local.set_role("viewer");
  OperatorServer server({.plaintext = true, .roles = {local}});
  Ctl ctl(server.folder());
  ctl.options = {"--plaintext", "--collector", server.address()};
  EXPECT_EQ(ctl.Run(kList).code, 0);
  ctl.options = {"--plaintext", "--collector", "192.0.2.1:9463"};
  const Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("192.0.2.1:9463"));
}

TEST(Connection, GivesUpAfterItsTimeout) {
  // Listens and never answers: the backlog takes the connection.
  TempFolder folder;
  TestAuthority authority(folder.path());
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 5), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  Ctl ctl(folder);
  ctl.options = Files(authority.Issue("ann"));
  ctl.options.insert(
      ctl.options.end(),
      {"--collector", absl::StrCat("127.0.0.1:", ntohs(address.sin_port)), "--timeout", "1"});
  const Result result = ctl.Run(kList);
  close(listener);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("did not answer in time"));
}

// A call that ends with the collector's word is not explained as a failed connection, whatever it
// quotes.
class Behind final : public v1::QueryService::Service {
  grpc::Status ListAgents(grpc::ServerContext* /*context*/,
                          const v1::ListAgentsRequest* /*request*/,
                          v1::ListAgentsResponse* /*response*/) override {
    return {grpc::StatusCode::UNAVAILABLE,
            "postgres: connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: No "
            "such file or directory; Connection refused; SSL handshake failed"};
  }
};

TEST(Connection, TellsAnErrorOfTheDatabaseFromItsOwn) {
  Behind service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  TempFolder folder;
  Ctl ctl(folder);
  ctl.options = {"--plaintext", "--collector", absl::StrCat("127.0.0.1:", port)};
  const Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("is not available: postgres: connection to server"));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("cannot reach")));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("socket; look")));
}

TEST(Connection, SaysWhenThereIsNoSuchSocket) {
  TempFolder folder;
  Ctl ctl(folder);
  ctl.options = {"--plaintext", "--collector", "unix:" + folder.File("none.sock")};
  const Result result = ctl.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("there is no such socket; look whether the collector runs"));
}

class Settings : public ::testing::Test {
 protected:
  void WriteConfig(const std::string& path, const std::string& collector) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << "collector: " << collector
                        << "\ntls:\n  certificate_file: " << tls_.certificate_file()
                        << "\n  key_file: " << tls_.key_file() << "\n  ca_file: " << tls_.ca_file()
                        << "\n";
  }

  OperatorServer server_;
  config::v1::Tls tls_ = server_.authority().Issue("viewer");
  Ctl ctl_{server_.folder()};
};

TEST_F(Settings, ComeFromTheHomeFolder) {
  WriteConfig(server_.folder().File(".config/skimwatch/ctl.yaml"), server_.address());
  EXPECT_EQ(ctl_.Run(kList).code, 0);
}

TEST_F(Settings, ComeFromTheFolderForConfigurations) {
  WriteConfig(server_.folder().File("xdg/skimwatch/ctl.yaml"), server_.address());
  ctl_.environment.push_back("XDG_CONFIG_HOME=" + server_.folder().File("xdg"));
  EXPECT_EQ(ctl_.Run(kList).code, 0);
}

TEST_F(Settings, ComeFromTheFileThatIsNamed) {
  WriteConfig(server_.folder().File("my.yaml"), server_.address());
  EXPECT_EQ(ctl_.Run({"agents", "list", "--config", server_.folder().File("my.yaml")}).code, 0);
  const Result result = ctl_.Run({"agents", "list", "--config", "/no/such.yaml"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/no/such.yaml"));
}

TEST_F(Settings, OfTheCommandLineGoBeforeTheVariableAndThatBeforeTheFile) {
  WriteConfig(server_.folder().File(".config/skimwatch/ctl.yaml"), "127.0.0.1:1");
  EXPECT_THAT(ctl_.Run(kList).err, HasSubstr("127.0.0.1:1:"));
  ctl_.environment.push_back("SKIMWATCH_COLLECTOR=127.0.0.1:2");
  EXPECT_THAT(ctl_.Run(kList).err, HasSubstr("127.0.0.1:2:"));
  const Result result = ctl_.Run({"agents", "list", "--collector", server_.address()});
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Settings, AreRefusedWithTheirPlace) {
  const std::string path = server_.folder().File(".config/skimwatch/ctl.yaml");
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << "colector: x\noutput: xml\n";
  const Result result = ctl_.Run(kList);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr(path + ":1:1: colector: found an unknown key, expected "
                                           "`collector` perhaps"));
  EXPECT_THAT(ctl_.Run({"agents", "list", "--config", "/dev/null", "--collector", "x"}).err,
              StartsWith("skimwatchctl: collector: found `x`, expected `host:port` or "
                         "`unix:/path`\n"));
}

}  // namespace
}  // namespace skimwatch::ctl
