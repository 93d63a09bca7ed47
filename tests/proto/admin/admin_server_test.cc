#include "proto/admin/admin_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/counter.h"
#include "prometheus/registry.h"

namespace skimwatch::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Request(int port, const std::string& method, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request =
      absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string response;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) response.append(buffer, n);
  close(fd);
  return response;
}

TEST(AdminServer, ServesMetricsOfEveryCollectable) {
  auto registry = std::make_shared<prometheus::Registry>();
  prometheus::BuildCounter()
      .Name("test_events_total")
      .Help("Help.")
      .Register(*registry)
      .Add({})
      .Increment(3);
  auto other = std::make_shared<prometheus::Registry>();
  prometheus::BuildCounter().Name("test_more_total").Help("Help.").Register(*other).Add({});
  auto server = AdminServer::Start({.listen = "127.0.0.1:0", .collectables = {registry, other}});
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string response = Request((*server)->port(), "GET", "/metrics");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(response, HasSubstr("\ntest_events_total 3\n"));
  EXPECT_THAT(response, HasSubstr("\ntest_more_total 0\n"));
}

TEST(AdminServer, ReadinessFollowsItsCallbackAndHealthDoesNot) {
  std::atomic<bool> ready = false;
  auto server =
      AdminServer::Start({.listen = "127.0.0.1:0", .ready = [&ready] {
                            return ready ? absl::OkStatus() : absl::UnavailableError("disk full");
                          }});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  EXPECT_THAT(Request(port, "GET", "/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Request(port, "GET", "/readyz"), HasSubstr("not ready: disk full"));
  EXPECT_THAT(Request(port, "GET", "/healthz"), StartsWith("HTTP/1.1 200 "));
  ready = true;
  EXPECT_THAT(Request(port, "GET", "/readyz"), StartsWith("HTTP/1.1 200 "));
}

TEST(AdminServer, RefusesWhatItDoesNotServe) {
  auto server = AdminServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  EXPECT_THAT(Request(port, "GET", "/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Request(port, "GET", "/../../etc/passwd"), Not(StartsWith("HTTP/1.1 200 ")));
  EXPECT_THAT(Request(port, "POST", "/metrics"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Request(port, "DELETE", "/metrics"), StartsWith("HTTP/1.1 405 "));
  const std::string head = Request(port, "HEAD", "/healthz");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(head, Not(HasSubstr("ok\n")));
}

TEST(AdminServer, TakesPortZeroTwice) {
  auto one = AdminServer::Start({.listen = "127.0.0.1:0"});
  auto two = AdminServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_NE((*one)->port(), (*two)->port());
}

TEST(AdminServer, NamesAnAddressThatIsTaken) {
  auto one = AdminServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(one.ok()) << one.status();
  const std::string listen = absl::StrCat("127.0.0.1:", (*one)->port());
  auto two = AdminServer::Start({.listen = listen});
  EXPECT_EQ(two.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(two.status().message()), HasSubstr(listen));
}

TEST(AdminServer, RefusesAnAddressWithoutPort) {
  for (const char* listen : {"", "localhost", ":9465", "127.0.0.1:http", "127.0.0.1:70000",
                             "127.0.0.1:80,127.0.0.1:81", "127.0.0.1:443s"}) {
    EXPECT_EQ(AdminServer::Start({.listen = listen}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << listen;
  }
}

}  // namespace
}  // namespace skimwatch::admin
