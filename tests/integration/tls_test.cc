// What programs send through TLS, seen in the clear: real clients of several TLS libraries, a real
// nginx at both ends, the whole agent and collector.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
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

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The payment processor, by TLS; and the shop, which passes its checkout on to it.
constexpr char kNginx[] = R"(  access_log off;
  server {
    listen 127.0.0.1:@TLS@ ssl http2;
    ssl_certificate own.crt;
    ssl_certificate_key own.key;
    location / { return 200 "taken\n"; }
    location /receipt { return 200 "card: @RECEIPT@\n"; }
  }
  server {
    listen 127.0.0.1:@SHOP@;
    location / {
      proxy_pass https://127.0.0.1:@TLS@;
      proxy_ssl_server_name on;
      proxy_ssl_name api.processor.example;
      proxy_set_header Host api.processor.example;
    }
  }
)";

constexpr char kPython[] = R"(
import http.client, ssl, sys
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[1]), context=context)
connection.request('POST', '/python', sys.stdin.read(), {'Host': 'api.processor.example'})
print(connection.getresponse().status)
)";

constexpr char kNode[] = R"(
const body = require('fs').readFileSync(0);
const request = require('https').request({
  host: '127.0.0.1', port: +process.argv[2], servername: 'api.processor.example', path: '/node',
  method: 'POST', rejectUnauthorized: false,
  headers: {Host: 'api.processor.example', 'Content-Length': body.length}
}, response => { console.log(response.statusCode); response.resume(); });
request.end(body);
)";

class TlsProbing : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status s = traffic::CheckTlsProbeSupport(); !s.ok()) {
      GTEST_SKIP() << s.message();
    }
    folder_ = deployment_.site_folder() + "/tls";
    const testing::CertificateAuthority ca("test CA");
    testing::WriteTlsFiles(folder_, ca.Issue(testing::ServerLeaf()), ca);
    tls_port_ = FreePort();
    shop_port_ = FreePort();
    nginx_ = std::make_unique<testing::Nginx>(folder_);
    const std::string servers = absl::StrReplaceAll(kNginx, {{"@TLS@", absl::StrCat(tls_port_)},
                                                             {"@SHOP@", absl::StrCat(shop_port_)},
                                                             {"@RECEIPT@", CardNumber(kReceipt)}});
    ASSERT_TRUE(nginx_->Start(servers, [&] {
      return !testing::HttpGet(shop_port_, "/hello").empty();
    })) << nginx_->Log();
  }

  void StartAgent(const std::string& probe) {
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    deployment_.agent_yaml = absl::StrCat("sources:\n  tls_probes: [{ ", probe,
                                          " }]\nscan: { fold_window_seconds: 1 }\n", more_yaml_);
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  }
  // Waits until it is stored.
  bool Await(size_t card) {
    return testing::WaitUntil([&] { return deployment_.Cards(kCards).contains(card); });
  }
  static std::string Body(size_t card) {
    return absl::StrCat("card_number=", CardNumber(card), "&expiry=12/29");
  }
  testing::Result Run(std::vector<std::string> command, const std::string& input) {
    return testing::RunProgram({.command = std::move(command)}, input);
  }
  testing::Result Curl(const std::string& path, const std::string& body) {
    return Run({testing::Where("curl"), "-sk", "--http1.1", "--connect-to",
                absl::StrCat("api.processor.example:443:127.0.0.1:", tls_port_), "--data-binary",
                "@-", absl::StrCat("https://api.processor.example", path)},
               body);
  }
  const v1::Finding& FindingOf(const std::map<size_t, StoredCard>& cards, size_t card) {
    static const v1::Finding kNone;
    const auto found = cards.find(card);
    EXPECT_NE(found, cards.end()) << "card " << card;
    return found == cards.end() ? kNone : found->second.findings.at(0).finding();
  }
  // Until a file more than `files` has its probes, or it had them before.
  void AwaitProbesOfOneMore(double files) const {
    testing::WaitUntil([&] { return Metric("skimwatch_tls_probe_files") > files; },
                       absl::Seconds(5));
  }
  double Metric(const std::string& series) const { return deployment_.AgentMetric(series); }

  static constexpr size_t kReceipt = 20;
  static constexpr size_t kCards = 21;

  Deployment deployment_;
  std::string more_yaml_;
  std::string folder_;
  int tls_port_ = 0;
  int shop_port_ = 0;
  std::unique_ptr<testing::Nginx> nginx_;
};

TEST_F(TlsProbing, FindsWhatEveryKindOfClientSendsAndNamesIt) {
  enum Client : size_t { kCurl, kNginxProxy, kPythonClient, kNodeClient, kGnuTls, kCount };
  struct Expected {
    std::string program;
    std::string path;
    std::string server_name;
  };
  std::map<size_t, Expected> expected;
  ASSERT_NO_FATAL_FAILURE(StartAgent(""));

  EXPECT_EQ(Curl("/curl", Body(kCurl)).out, "taken\n");
  expected[kCurl] = {"/usr/bin/curl", "/curl", "api.processor.example"};

  EXPECT_THAT(Exchange(shop_port_, Post("shop.example", "/nginx", Body(kNginxProxy))),
              HasSubstr("taken"));
  expected[kNginxProxy] = {testing::Where("nginx"), "/nginx", "api.processor.example"};

  std::ofstream(folder_ + "/client.py") << kPython;
  EXPECT_EQ(Run({"/usr/bin/python3", folder_ + "/client.py", absl::StrCat(tls_port_)},
                Body(kPythonClient))
                .out,
            "200\n");
  expected[kPythonClient] = {"/usr/bin/python3", "/python", ""};

  const double files = Metric("skimwatch_tls_probe_files");
  if (!testing::Where("node").empty()) {
    std::ofstream(folder_ + "/client.js") << kNode;
    // It has TLS within itself, and waits for what it is to send until its probes are set.
    testing::ChildProcess client(
        {.command = {testing::Where("node"), folder_ + "/client.js", absl::StrCat(tls_port_)}});
    AwaitProbesOfOneMore(files);
    client.Write(Body(kNodeClient));
    client.CloseInput();
    const testing::Result node = client.Wait();
    EXPECT_EQ(node.out, "200\n") << node.err;
    expected[kNodeClient] = {testing::Where("node"), "/node", "api.processor.example"};
  }
  if (!testing::Where("gnutls-cli").empty()) {
    const testing::Result gnutls =
        Run({testing::Where("gnutls-cli"), "--insecure", "--sni-hostname=api.processor.example",
             "-p", absl::StrCat(tls_port_), "127.0.0.1"},
            Post("api.processor.example", "/gnutls", Body(kGnuTls)));
    EXPECT_THAT(gnutls.out, HasSubstr("taken"));
    expected[kGnuTls] = {testing::Where("gnutls-cli"), "/gnutls", "api.processor.example"};
  }

  ASSERT_TRUE(deployment_.WaitForCards(expected.size()));
  EXPECT_EQ(Metric("skimwatch_tls_probe_dropped_bytes_total"), 0);
  EXPECT_EQ(Metric("skimwatch_tls_probe_connections_without_address_total"), 0);
  EXPECT_TRUE(deployment_.StopAgent(SIGTERM) == 0);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCards);
  EXPECT_EQ(cards.size(), expected.size());
  for (const auto& [card, client] : expected) {
    const v1::Finding& finding = FindingOf(cards, card);
    const v1::Provenance& provenance = finding.provenance();
    EXPECT_EQ(provenance.source(), v1::SOURCE_KIND_TLS_UPROBE) << client.path;
    EXPECT_EQ(finding.rule(), "card.outbound") << client.path;
    EXPECT_EQ(finding.site(), "shop") << client.path;
    EXPECT_EQ(provenance.part(), "request_body") << client.path;
    EXPECT_EQ(provenance.method(), "POST");
    EXPECT_EQ(provenance.path_template(), client.path);
    EXPECT_EQ(provenance.host(), "api.processor.example") << client.path;
    EXPECT_EQ(provenance.server_name(), client.server_name) << client.path;
    EXPECT_EQ(provenance.server().address(), "127.0.0.1") << client.path;
    EXPECT_EQ(provenance.server().port(), static_cast<uint32_t>(tls_port_)) << client.path;
    EXPECT_EQ(finding.destination(), absl::StrCat("api.processor.example:", tls_port_));
    EXPECT_THAT(provenance.process().executable(), StartsWith(client.program));
    EXPECT_GT(provenance.process().pid(), 0u) << client.path;
    EXPECT_NE(provenance.process().command(), "") << client.path;
    EXPECT_NE(provenance.process().cgroup(), "") << client.path;
    EXPECT_EQ(cards.at(card).occurrences, 1u) << client.path;
  }
  deployment_.ExpectNoNumberKept(kCards);
}

TEST_F(TlsProbing, FindsWhatAServerAnswers) {
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [nginx]"));
  EXPECT_THAT(Curl("/receipt", "").out, HasSubstr("card: "));
  ASSERT_TRUE(Await(kReceipt));
  deployment_.StopAgent(SIGTERM);
  const v1::Finding finding = FindingOf(deployment_.Cards(kCards), kReceipt);
  EXPECT_EQ(finding.rule(), "card.outbound_response");
  EXPECT_EQ(finding.destination(), "clients");
  EXPECT_EQ(finding.provenance().server().port(), static_cast<uint32_t>(tls_port_));
}

TEST_F(TlsProbing, ScansWhatComesInOnlyWhereAsked) {
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [nginx], scan_inbound: true"));
  EXPECT_THAT(Curl("/incoming", Body(1)).out, HasSubstr("taken"));
  ASSERT_TRUE(Await(1));
  deployment_.StopAgent(SIGTERM);
  const v1::Finding finding = FindingOf(deployment_.Cards(kCards), 1);
  EXPECT_EQ(finding.rule(), "card.inbound");
  EXPECT_EQ(finding.provenance().path_template(), "/incoming");
  EXPECT_THAT(finding.provenance().process().executable(), HasSubstr("nginx"));
}

TEST_F(TlsProbing, FindsHttp2InBothDirectionsOfBothSides) {
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [curl, nginx], scan_inbound: true"));
  const testing::Result curl =
      Run({testing::Where("curl"), "-sk", "--http2", "-w", "%{http_version}", "--connect-to",
           absl::StrCat("api.processor.example:443:127.0.0.1:", tls_port_), "--data-binary", "@-",
           "https://api.processor.example/receipt"},
          Body(3));
  EXPECT_THAT(curl.out, ::testing::EndsWith("\n2"));
  const auto seen = [&](size_t card) {
    std::set<std::string> found_of;
    const std::map<size_t, StoredCard> cards = deployment_.Cards(kCards);
    if (const auto found = cards.find(card); found != cards.end()) {
      for (const v1::StoredFinding& stored : found->second.findings) {
        const v1::Provenance& provenance = stored.finding().provenance();
        const std::string& executable = provenance.process().executable();
        EXPECT_EQ(provenance.protocol(), v1::PROTOCOL_HTTP2);
        EXPECT_EQ(provenance.path_template(), "/receipt") << provenance.ShortDebugString();
        EXPECT_EQ(provenance.host(), "api.processor.example");
        found_of.insert(absl::StrCat(executable.substr(executable.rfind('/') + 1), " ",
                                     stored.finding().rule(), " ", provenance.part()));
      }
    }
    return found_of;
  };
  const std::set<std::string> request = {"curl card.outbound request_body",
                                         "nginx card.inbound request_body"};
  const std::set<std::string> response = {"curl card.inbound response_body",
                                          "nginx card.outbound_response response_body"};
  EXPECT_TRUE(testing::WaitUntil([&] { return seen(3) == request && seen(kReceipt) == response; }))
      << ::testing::PrintToString(seen(3)) << ::testing::PrintToString(seen(kReceipt));
  if (HasFailure()) std::cout << deployment_.AgentGet("/metrics");
  EXPECT_EQ(Metric("skimwatch_tls_probe_gaps_total"), 0);
}

TEST_F(TlsProbing, FindsWhatGrpcSends) {
  // The probes look at this program, which is client and server.
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [tls_probing_test]"));
  grpc::SslServerCredentialsOptions server_options;
  server_options.pem_key_cert_pairs.push_back(
      {testing::ReadFile(folder_ + "/own.key"), testing::ReadFile(folder_ + "/own.crt")});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(server_options), &port);
  // Knows no method, and reads what it is sent.
  grpc::CallbackGenericService service;
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  grpc::SslCredentialsOptions client_options;
  client_options.pem_root_certs = testing::ReadFile(folder_ + "/ca.crt");
  grpc::GenericStub stub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::SslCredentials(client_options)));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice slice(Body(4));
  const grpc::ByteBuffer request(&slice, 1);
  const auto call = stub.PrepareUnaryCall(&context, "/pay.Service/Charge", request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
  ASSERT_TRUE(Await(4));
  server->Shutdown();
  const v1::Finding finding = FindingOf(deployment_.Cards(kCards), 4);
  const v1::Provenance& provenance = finding.provenance();
  EXPECT_EQ(finding.rule(), "card.outbound");
  EXPECT_EQ(provenance.protocol(), v1::PROTOCOL_HTTP2);
  EXPECT_EQ(provenance.path_template(), "/pay.Service/Charge");
  EXPECT_EQ(provenance.part(), "request_body");
  EXPECT_THAT(provenance.process().executable(), ::testing::EndsWith("/tls_probing_test"));
}

TEST_F(TlsProbing, FindsACardBehindAMegabyte) {
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [curl]"));
  constexpr size_t kBefore = 3 << 20;
  const std::string body = absl::StrCat(std::string(kBefore, '.'), Body(2));
  EXPECT_EQ(Curl("/large", body).out, "taken\n");
  ASSERT_TRUE(Await(2));
  const std::string page = deployment_.AgentGet("/metrics");
  EXPECT_EQ(MetricOf(page, "skimwatch_tls_probe_gaps_total"), 0);
  deployment_.StopAgent(SIGTERM);
  const v1::Finding finding = FindingOf(deployment_.Cards(kCards), 2);
  EXPECT_EQ(finding.provenance().offset(), kBefore + std::string("card_number=").size());
}

TEST_F(TlsProbing, CoverageIsExactUnderAFlood) {
  more_yaml_ = "limits: { body_bytes_max: 0 }\n";
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [curl], ring_mib: 1, call_kib_max: 16"));
  constexpr size_t kBody = 4 << 20;
  constexpr int kRequests = 12;
  for (int i = 0; i < kRequests; ++i) {
    EXPECT_EQ(Curl("/flood", std::string(kBody, '.')).out, "taken\n");
  }
  constexpr double kBodies = static_cast<double>(kBody) * kRequests;
  std::string page;
  EXPECT_TRUE(testing::WaitUntil([&] {
    page = deployment_.AgentGet("/metrics");
    return SumOf(page, "skimwatch_source_bytes_total") >= kBodies &&
           MetricOf(page, "skimwatch_tls_probe_connections") == 0;
  })) << page;
  // Heads are what is on top, the same for each request.
  const double heads = SumOf(page, "skimwatch_source_bytes_total") - kBodies;
  EXPECT_GT(heads, 100 * kRequests);
  EXPECT_LT(heads, 300 * kRequests);
  EXPECT_EQ(static_cast<uint64_t>(heads) % kRequests, 0u);
  EXPECT_EQ(
      MetricOf(page, "skimwatch_source_bytes_total{outcome=\"shed\",reason=\"shed.probe_ring\"}"),
      MetricOf(page, "skimwatch_tls_probe_dropped_bytes_total"));
}

TEST_F(TlsProbing, LeavesOutTheAgentsOwnConnection) {
  const testing::CertificateAuthority ca("mutual TLS");
  *deployment_.collector_config.mutable_tls() = testing::WriteTlsFiles(
      deployment_.collector_folder() + "/tls", ca.Issue(testing::ServerLeaf()), ca);
  deployment_.collector_config.add_agents("spiffe://example.org/web-1");
  deployment_.agent_tls = testing::WriteTlsFiles(deployment_.agent_folder() + "/tls",
                                                 ca.Issue(testing::SpiffeLeaf("web-1")), ca);
  deployment_.operator_tls = deployment_.agent_tls;
  ASSERT_NO_FATAL_FAILURE(StartAgent("processes: [skimwatch-agent]"));
  // Heartbeats go out ten times a second.
  usleep(500'000);
  EXPECT_EQ(Metric("skimwatch_tls_probe_connections_total"), 0);
}

TEST(TlsProbingWithoutRights, SaysWhichAreMissingAndGoesOnWithOtherSources) {
  if (geteuid() != 0) GTEST_SKIP() << "needs to be root, to give up rights";
  if (testing::Where("capsh").empty()) GTEST_SKIP() << "needs capsh";
  Deployment deployment;
  std::ofstream(deployment.site_folder() + "/app.log") << "started\n";
  std::ofstream(deployment.agent_folder() + "/check.yaml")
      << "sites: [{ name: shop }]\n"
         "collector: { address: \"127.0.0.1:1\", tls: { plaintext: true } }\n"
         "state_directory: "
      << deployment.state_directory << "\nsources: { tls_probes: [{}] }\n";
  const testing::Result result = testing::RunProgram(
      {.command = {testing::Where("capsh"), "--drop=cap_bpf,cap_sys_admin", "--", "-c",
                   absl::StrCat(SKIMWATCH_BIN_DIR, "/skimwatch-agent --check-config --config ",
                                deployment.agent_folder(), "/check.yaml")}});
  EXPECT_EQ(result.code, 1) << result.out;
  EXPECT_THAT(result.err, HasSubstr("missing CAP_BPF (to load the programs)"));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("CAP_PERFMON")));
}

}  // namespace
}  // namespace skimwatch::integration
