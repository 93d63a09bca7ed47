#include "collector/console/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/console/identity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/test_authority.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::console {
namespace {

using skimwatch::testing::Result;
using skimwatch::testing::RunProgram;
using skimwatch::testing::TestAuthority;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Says who asked for what.
Response Echo(const Request& request) {
  const absl::StatusOr<api::Caller> caller = CertificateIdentifier().Identify(request);
  std::string body = absl::StrCat(caller.ok() ? caller->identity : "nobody", " ", request.method,
                                  " ", request.path);
  for (const auto& [name, value] : request.query) absl::StrAppend(&body, " ", name, "=", value);
  for (const auto& [name, value] : request.form) absl::StrAppend(&body, " ", name, ":", value);
  return {.content_type = "text/plain", .body = body + "\n"};
}

std::unique_ptr<HttpServer> Start(const config::v1::Tls& tls,
                                  absl::Duration idle_max = absl::Seconds(30)) {
  auto server = HttpServer::Start(
      {.listen = "127.0.0.1:0", .tls = tls, .handle = &Echo, .idle_max = idle_max});
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

config::v1::Tls Plaintext() {
  config::v1::Tls tls;
  tls.set_plaintext(true);
  return tls;
}

// Sends bytes as they are, and reads to the end of the connection.
std::string Exchange(int port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return answer;
}

std::string Get(int port, const std::string& target) {
  return Exchange(port, absl::StrCat("GET ", target,
                                     " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
}

std::string Post(int port, const std::string& type, const std::string& body) {
  return Exchange(port, absl::StrCat("POST /form HTTP/1.1\r\nHost: localhost\r\nConnection: close",
                                     "\r\nContent-Type: ", type,
                                     "\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
}

TEST(HttpServer, HandsOverQueriesAndForms) {
  const auto server = Start(Plaintext());
  EXPECT_THAT(Get(server->port(), "/a?x=1%202&y=%3Cb%3E"), HasSubstr("local GET /a x=1 2 y=<b>\n"));
  EXPECT_THAT(Post(server->port(), "application/x-www-form-urlencoded", "text=a+b%26&c=d"),
              HasSubstr("local POST /form c:d text:a b&\n"));
  EXPECT_EQ(server->refused(), 0u);
}

TEST(HttpServer, RefusesWhatIsNoRequestOfABrowser) {
  const auto server = Start(Plaintext());
  const int port = server->port();
  const std::string form = "application/x-www-form-urlencoded";
  EXPECT_THAT(Post(port, "text/plain", "a=b"), StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(Post(port, form, "a=%ff"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Post(port, form, "a=%00"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Post(port, form, "a=%4"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Post(port, form, std::string(HttpServer::kBodyBytesMax + 1, 'a')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Get(port, "/?a=%ff"), StartsWith("HTTP/1.1 400"));
  std::string many = "/?a=1";
  for (size_t i = 0; i < HttpServer::kPairsMax; ++i) absl::StrAppend(&many, "&b", i, "=1");
  EXPECT_THAT(Get(port, many), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Exchange(port, "PUT / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 405"));
  EXPECT_EQ(server->refused(), 8u);
  // These end in the library, with no answer or one of its own.
  Get(port, "/" + std::string(100'000, 'a'));
  Exchange(port, std::string("\x16\x03\x01\0\xff\r\n\r\n", 9));
  EXPECT_THAT(Get(port, "/still"), HasSubstr("local GET /still\n"));
}

TEST(HttpServer, EndsConnectionsThatSayNothing) {
  const auto server = Start(Plaintext(), absl::Seconds(1));
  const absl::Time begin = absl::Now();
  Exchange(server->port(), "GET / HTTP/1.1\r\nHost: loc");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

class OverTls : public ::testing::Test {
 protected:
  Result Curl(const HttpServer& server, const std::string& ca, const config::v1::Tls* client) {
    std::vector<std::string> command = {"/usr/bin/curl",
                                        "-s",
                                        "-S",
                                        "--max-time",
                                        "10",
                                        "--cacert",
                                        ca,
                                        absl::StrCat("https://127.0.0.1:", server.port(), "/x")};
    if (client != nullptr) {
      command.insert(command.end(),
                     {"--cert", client->certificate_file(), "--key", client->key_file()});
    }
    return RunProgram({.command = command});
  }

  const testing::TempFolder folder_;
  const TestAuthority authority_{folder_.path()};
  const TestAuthority stranger_{folder_.path(), "stranger"};
};

TEST_F(OverTls, KnowsTheClientByItsCertificateAndOnlyOfItsAuthority) {
  const auto server = Start(authority_.Issue("collector"));
  const std::string ca = authority_.ca_file();
  const config::v1::Tls alice = authority_.Issue("alice");
  EXPECT_EQ(Curl(*server, ca, &alice).out, "alice GET /x\n");
  EXPECT_EQ(Curl(*server, ca, nullptr).out, "nobody GET /x\n");
  const config::v1::Tls mallory = stranger_.Issue("alice");
  EXPECT_EQ(Curl(*server, ca, &mallory).out, "nobody GET /x\n");
  const config::v1::Tls expired = authority_.Issue("late", -absl::Hours(1));
  EXPECT_EQ(Curl(*server, ca, &expired).out, "nobody GET /x\n");
}

TEST_F(OverTls, TakesNewCertificatesWithoutARestart) {
  const auto copy = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  };
  config::v1::Tls tls = authority_.Issue("collector");
  tls.set_reload_interval_seconds(1);
  const auto server = Start(tls);
  const std::string old_ca = folder_.File("old-ca.pem");
  copy(authority_.ca_file(), old_ca);
  EXPECT_EQ(Curl(*server, old_ca, nullptr).out, "nobody GET /x\n");
  const config::v1::Tls next = stranger_.Issue("collector");
  copy(next.ca_file(), tls.ca_file());
  copy(next.certificate_file(), tls.certificate_file());
  copy(next.key_file(), tls.key_file());
  const config::v1::Tls bob = stranger_.Issue("bob");
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return Curl(*server, stranger_.ca_file(), &bob).out == "bob GET /x\n"; }));
  EXPECT_NE(Curl(*server, old_ca, nullptr).code, 0);
}

TEST(HttpServerStart, NamesWhatIsWrong) {
  EXPECT_EQ(HttpServer::Start({.listen = "nonsense", .tls = Plaintext(), .handle = &Echo})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  const auto first = Start(Plaintext());
  EXPECT_EQ(HttpServer::Start({.listen = absl::StrCat("127.0.0.1:", first->port()),
                               .tls = Plaintext(),
                               .handle = &Echo})
                .status()
                .code(),
            absl::StatusCode::kUnavailable);
  config::v1::Tls missing;
  missing.set_certificate_file("/nowhere/a.pem");
  missing.set_key_file("/nowhere/a.key");
  missing.set_ca_file("/nowhere/ca.pem");
  EXPECT_FALSE(HttpServer::Start({.listen = "127.0.0.1:0", .tls = missing, .handle = &Echo}).ok());
}

}  // namespace
}  // namespace skimwatch::console
