#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/squid.h"
#include "tests/integration/support/web_server.h"

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

}  // namespace
}  // namespace skimwatch::integration
