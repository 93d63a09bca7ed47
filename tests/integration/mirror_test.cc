#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/squid.h"
#include "tests/integration/support/web_server.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

using ::testing::HasSubstr;

// Requests that others hand over, rather than packets.
class Mirror : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(web_.Start());
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }

  static std::string Json(size_t card) {
    return absl::StrCat(R"({"cardNumber":")", CardNumber(card), R"(","expiry":"12/29"})");
  }

  const v1::Provenance& ProvenanceOf(size_t card, const std::map<size_t, StoredCard>& cards) {
    return cards.at(card).findings.at(0).finding().provenance();
  }

  Deployment deployment_;
  WebServer web_{deployment_.site_folder()};
};

TEST_F(Mirror, TakesTheCopiesOfNginx) {
  deployment_.agent_yaml = absl::StrCat(
      "sources: { http_mirrors: [{ listen: \"127.0.0.1:", web_.mirror_port(),
      "\", direction: inbound, scan_inbound: true }] }\n", "scan: { fold_window_seconds: 1 }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());

  constexpr size_t kCards = 20;
  for (size_t card = 0; card < kCards; ++card) {
    EXPECT_THAT(Exchange(web_.shop_port(), Post("shop.example", "/copied/checkout", Json(card))),
                HasSubstr("approved"));
  }
  deployment_.WaitForCards(kCards);
  deployment_.ExpectEachCard(kCards, 1);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCards);
  const v1::Provenance& provenance = ProvenanceOf(0, cards);
  EXPECT_EQ(provenance.source(), v1::SOURCE_KIND_MIRROR);
  EXPECT_EQ(provenance.direction(), v1::DIRECTION_INBOUND_REQUEST);
  EXPECT_EQ(provenance.host(), "shop.example");
  EXPECT_EQ(provenance.path_template(), "/copied/checkout");
  EXPECT_EQ(provenance.part(), "request_body");
  EXPECT_EQ(deployment_.AgentMetric(absl::StrCat(
                "skimwatch_mirror_requests_total{listen=\"127.0.0.1:", web_.mirror_port(),
                "\",source=\"http_mirrors\"}")),
            kCards);
  deployment_.ExpectNoNumberKept(kCards);
}

TEST_F(Mirror, IsNeverInTheWayOfTheShop) {
  // Nobody listens where nginx sends its copies.
  EXPECT_THAT(Exchange(web_.shop_port(), Post("shop.example", "/copied/checkout", Json(0))),
              HasSubstr("approved"));
}

TEST_F(Mirror, TakesWhatSquidHandsOver) {
  if (!Squid::IsInstalled()) GTEST_SKIP() << "needs squid";
  enum Planted : size_t { kForm, kLongBody, kQuery, kGzipped, kCount };
  const int icap_port = FreePort();
  deployment_.agent_yaml =
      absl::StrCat("sources: { icap_servers: [{ listen: \"127.0.0.1:", icap_port, "\" }] }\n",
                   "scan: { fold_window_seconds: 1 }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  Squid squid;
  ASSERT_NO_FATAL_FAILURE(squid.Start(icap_port));

  const std::string origin = absl::StrCat("http://127.0.0.1:", web_.outside_port());
  const std::string host = absl::StrCat("127.0.0.1:", web_.outside_port());
  const auto send = [&](const std::string& request) {
    EXPECT_THAT(Exchange(squid.port(), request), HasSubstr(" 204 "));
  };
  send(Post(host, origin + "/form", "card_number=" + CardNumber(kForm) + "&exp=12%2F29",
            "Content-Type: application/x-www-form-urlencoded\r\n"));
  // Far beyond the preview, to a server that takes all of it before it answers.
  EXPECT_THAT(Exchange(squid.port(),
                       Post("shop.example",
                            absl::StrCat("http://127.0.0.1:", web_.shop_port(), "/copied/long"),
                            std::string(1 << 20, 'a') + Json(kLongBody))),
              HasSubstr("approved"));
  send(Get(host,
           origin + "/pixel.gif?d=" + absl::WebSafeBase64Escape("card=" + CardNumber(kQuery))));
  send(Post(host, origin + "/gzipped", Gzip(Json(kGzipped)),
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"));
  deployment_.WaitForCards(kCount, absl::Seconds(15));
  deployment_.ExpectEachCard(kCount, 1);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCount);
  const v1::Provenance& provenance = ProvenanceOf(kLongBody, cards);
  EXPECT_EQ(provenance.source(), v1::SOURCE_KIND_MIRROR);
  EXPECT_EQ(provenance.direction(), v1::DIRECTION_OUTBOUND_REQUEST);
  EXPECT_EQ(provenance.host(), "127.0.0.1");
  EXPECT_EQ(provenance.path_template(), "/copied/long");
  EXPECT_EQ(provenance.client().address(), "127.0.0.1");
  deployment_.ExpectNoNumberKept(kCount);
}

// A real HAProxy before the shop, with what deploy/mirror has for it.
class HaproxyMirror : public Mirror {
 protected:
  void SetUp() override {
    if (access("/usr/sbin/haproxy", X_OK) != 0) GTEST_SKIP() << "needs haproxy";
    ASSERT_NO_FATAL_FAILURE(Mirror::SetUp());
    deployment_.agent_yaml = absl::StrCat("sources: { http_mirrors: [{ listen: \"unix:", socket_,
                                          "\", direction: inbound, scan_inbound: true }] }\n",
                                          "scan: { fold_window_seconds: 1 }\n");
  }
  void TearDown() override {
    if (haproxy_ == nullptr) return;
    haproxy_->Signal(SIGTERM);
    haproxy_->Wait();
  }

  void StartHaproxy(bool is_patient) {
    const std::string snippets = std::string(SKIMWATCH_SOURCE_DIR) + "/deploy/mirror/";
    const std::string folder = deployment_.site_folder();
    std::string spoe = testing::ReadFile(snippets + "haproxy-spoe.conf");
    // This machine has other things to do, and a message that comes too late is none.
    if (is_patient) {
      absl::StrReplaceAll({{"processing 20ms", "processing 5s"}, {"hello 100ms", "hello 5s"}},
                          &spoe);
    }
    std::ofstream(folder + "/spoe.conf") << spoe;
    std::ofstream(folder + "/haproxy.cfg")
        << absl::StrReplaceAll(
               testing::ReadFile(snippets + "haproxy.cfg"),
               {{"/etc/haproxy/haproxy-spoe.conf", folder + "/spoe.conf"},
                {"unix@/run/skimwatch/mirror.sock", "unix@" + socket_},
                {"frontend shop\n", absl::StrCat("frontend shop\n    bind 127.0.0.1:", port_,
                                                 "\n    bind 127.0.0.1:", http2_port_,
                                                 " proto h2\n    default_backend application\n")}})
        << "\ndefaults\n    mode http\n    timeout client 10s\n    timeout server 10s\n"
           "    timeout connect 1s\nbackend application\n    server nginx 127.0.0.1:"
        << web_.shop_port() << "\n";
    // What a section takes from `defaults` must stand before it.
    const std::string all = testing::ReadFile(folder + "/haproxy.cfg");
    const size_t defaults = all.find("\ndefaults");
    std::ofstream(folder + "/haproxy.cfg") << all.substr(defaults) << all.substr(0, defaults);
    haproxy_ = std::make_unique<testing::ChildProcess>(testing::ChildProcess::Options{
        .command = {"/usr/sbin/haproxy", "-db", "-f", folder + "/haproxy.cfg"}});
    ASSERT_TRUE(testing::WaitUntil([&] {
      return testing::HttpGet(port_, "/api/checkout").starts_with("HTTP/1.1 200 ");
    })) << testing::ReadFile(folder + "/haproxy.cfg");
  }
  double Metric(const std::string& name) const {
    return deployment_.AgentMetric(
        absl::StrCat(name, "{listen=\"unix:", socket_, "\",source=\"http_mirrors\"}"));
  }

  const std::string socket_ = deployment_.root() + "/mirror.sock";
  const int port_ = FreePort();
  const int http2_port_ = FreePort();
  std::unique_ptr<testing::ChildProcess> haproxy_;
};

TEST_F(HaproxyMirror, TellsOfEachRequestBeforeItGoesOn) {
  enum Planted : size_t { kForm, kLongBody, kQuery, kChunked, kGzipped, kHttp2, kCut, kCount };
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_NO_FATAL_FAILURE(StartHaproxy(true));
  const auto send = [&](const std::string& request) {
    EXPECT_THAT(Exchange(port_, request), HasSubstr("thank you"));
  };
  const std::string host = "shop.example";
  send(Post(host, "/api/checkout", "card_number=" + CardNumber(kForm) + "&exp=12%2F29",
            "Content-Type: application/x-www-form-urlencoded\r\n"));
  send(Post(host, "/api/checkout", std::string(40'000, 'a') + Json(kLongBody)));
  send(Get(host, "/api/checkout?card=" + CardNumber(kQuery)));
  const std::string chunked = Json(kChunked);
  send(absl::StrCat("POST /api/checkout HTTP/1.1\r\nHost: ", host,
                    "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n",
                    chunked.substr(0, 16), "\r\n", absl::Hex(chunked.size() - 16), "\r\n",
                    chunked.substr(16), "\r\n0\r\n\r\n"));
  send(Post(host, "/api/checkout", Gzip(Json(kGzipped)),
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"));
  EXPECT_EQ(testing::RunProgram(
                {.command = {"/usr/bin/curl", "-s", "--http2-prior-knowledge", "--data-binary",
                             "@-", "-H", "Host: shop.example",
                             absl::StrCat("http://127.0.0.1:", http2_port_, "/api/checkout")}},
                Json(kHttp2))
                .out,
            "thank you\n");
  // Beyond its buffer.
  send(Post(host, "/api/checkout", Json(kCut) + std::string(200'000, 'a')));
  deployment_.WaitForCards(kCount, absl::Seconds(15));
  deployment_.ExpectEachCard(kCount, 1);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCount);
  for (const size_t card : {kForm, kLongBody, kChunked, kGzipped, kHttp2, kCut}) {
    const v1::Provenance& provenance = ProvenanceOf(card, cards);
    EXPECT_EQ(provenance.source(), v1::SOURCE_KIND_MIRROR) << card;
    EXPECT_EQ(provenance.direction(), v1::DIRECTION_INBOUND_REQUEST) << card;
    EXPECT_EQ(provenance.method(), "POST") << card;
    EXPECT_EQ(provenance.host(), "shop.example") << card;
    EXPECT_EQ(provenance.path_template(), "/api/checkout") << card;
    EXPECT_EQ(provenance.part(), "request_body") << card;
    EXPECT_EQ(provenance.client().address(), "127.0.0.1") << card;
  }
  EXPECT_EQ(ProvenanceOf(kQuery, cards).part(), "request_target");
  EXPECT_EQ(Metric("skimwatch_mirror_requests_cut_total"), 1);
  EXPECT_EQ(Metric("skimwatch_mirror_errors_total"), 0);
  EXPECT_GE(Metric("skimwatch_mirror_requests_total"), kCount);
  deployment_.ExpectNoNumberKept(kCount);
}

TEST_F(HaproxyMirror, GoesOnWhereTheAgentIsAway) {
  ASSERT_NO_FATAL_FAILURE(StartHaproxy(false));
  EXPECT_THAT(Exchange(port_, Post("shop.example", "/api/checkout", Json(0))),
              HasSubstr("thank you"));
}

}  // namespace
}  // namespace skimwatch::integration
