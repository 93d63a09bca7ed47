// The commands of docs/certificates.md make what the programs take.

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/tls/certificate_files.h"
#include "proto/tls/credentials.h"
#include "skimwatch/v1/query_service.grpc.pb.h"

namespace skimwatch::tls {
namespace {

// What stands in the page's blocks of shell.
std::string Commands() {
  std::ifstream file(SKIMWATCH_SOURCE_DIR "/docs/certificates.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  const std::string begin = "```sh\n";
  std::string commands;
  for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at)) {
    at += begin.size();
    commands += page.substr(at, page.find("```", at) - at);
  }
  return commands;
}

class CertificateRecipe : public ::testing::Test {
 protected:
  CertificateRecipe()
      : folder_(absl::StrCat(::testing::TempDir(), "/certificate_recipe.", getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~CertificateRecipe() override { std::filesystem::remove_all(folder_); }

  config::v1::Tls Files(const std::string& name) const {
    config::v1::Tls tls;
    tls.set_certificate_file(absl::StrCat(folder_, "/", name, ".crt"));
    tls.set_key_file(absl::StrCat(folder_, "/", name, ".key"));
    tls.set_ca_file(absl::StrCat(folder_, "/ca.crt"));
    return tls;
  }

  const std::string folder_;
};

TEST_F(CertificateRecipe, MakesWhatTheProgramsTake) {
  const std::string commands = Commands();
  ASSERT_NE(commands, "");
  std::ofstream(folder_ + "/recipe.sh") << "set -eu\n" << commands;
  ASSERT_EQ(std::system(("cd " + folder_ + " && sh recipe.sh >log 2>&1").c_str()), 0);
  for (const char* const name : {"collector", "web-1", "alice"}) {
    EXPECT_EQ(CheckCertificateFiles(Files(name), absl::Now()), absl::OkStatus()) << name;
    EXPECT_EQ(CheckIssuer(Files(name)), absl::OkStatus()) << name;
  }
  EXPECT_EQ(*CertificateIdentity(Files("web-1").certificate_file()),
            "spiffe://example.org/agent/web-1");
  EXPECT_EQ(*CertificateIdentity(Files("alice").certificate_file()),
            "spiffe://example.org/operator/alice");

  const auto credentials = ServerCredentials(Files("collector"), "127.0.0.1:0");
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
  grpc::CallbackGenericService nothing;
  builder.RegisterCallbackGenericService(&nothing);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const std::string address = absl::StrCat("127.0.0.1:", port);
  // How a call ends: with the server's word only where each side took the other's certificate.
  const auto call = [&](const std::string& name, const std::string& host) {
    config::v1::Tls tls = Files(name);
    tls.set_server_name(host);
    const auto client = ChannelCredentials(tls, address);
    EXPECT_TRUE(client.ok()) << client.status();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::ListAgentsResponse response;
    return v1::QueryService::NewStub(grpc::CreateChannel(address, *client))
        ->ListAgents(&context, {}, &response)
        .error_code();
  };
  EXPECT_EQ(call("web-1", ""), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(call("alice", "collector.example.org"), grpc::StatusCode::UNIMPLEMENTED);
  // It is no client's certificate.
  EXPECT_EQ(call("collector", ""), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace skimwatch::tls
