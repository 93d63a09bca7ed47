#include "tests/e2e/incident/scene.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/web_server.h"

namespace skimwatch::e2e {
namespace {

using google::protobuf::util::TimeUtil;
using integration::SumOf;
using testing::ReadFile;
using testing::WaitUntil;

constexpr char kSource[] = SKIMWATCH_SOURCE_DIR;
constexpr char kOperator[] = "spiffe://test/operator/alice";
constexpr char kAgents[] = "spiffe://test/agent/";

// Beside what the shop's and the vendor's servers have from deploy/.
constexpr char kShopLines[] = R"(location = /pay {
  proxy_pass http://127.0.0.1:@PROCESSOR@/v1/charges;
  proxy_set_header Host api.processor.example;
}
)";
constexpr char kVendorLines[] = R"(location = /session {
  mirror /relay;
  proxy_pass http://127.0.0.1:@SINK@;
}
location = /relay {
  internal;
  if (!-f @FOLDER@/relay) { return 204; }
  proxy_pass http://127.0.0.1:@RELAY@/session;
  proxy_set_header Host chat-backup.example;
}
)";
// The thief reads what comes, which its log shows; the gateway of the shop's network ends the TLS
// of its people's browsers and hands copies to the agent, by deploy/mirror/nginx.conf.
constexpr char kServers[] = R"(log_format thief escape=none '$host $request_uri $request_body';
server {
  listen 127.0.0.1:@SITE@ ssl;
  server_name pixel-metrics.example font-metrics.example widget-loader.example tag-timing.example;
  access_log thief.log thief;
  add_header Access-Control-Allow-Origin * always;
  location /w/ { root thief; }
  location / { proxy_pass http://127.0.0.1:@SINK@; }
}
server {
  listen 127.0.0.1:@RELAY@;
  access_log thief.log thief;
  location / { proxy_pass http://127.0.0.1:@SINK@; }
}
server {
  listen 127.0.0.1:@GATEWAY@ ssl;
  access_log off;
  proxy_set_header Host $host;
  proxy_ssl_server_name on;
  proxy_ssl_name $host;
  include gateway.conf;
}
server {
  listen 127.0.0.1:@PROCESSOR@;
  access_log off;
  location / { proxy_pass http://127.0.0.1:@SINK@; }
}
server {
  listen 127.0.0.1:@SINK@;
  access_log off;
  return 204;
}
)";

// Alerts that an open exposure makes.
bool IsOfAnExposure(const std::string& alert) {
  for (const char* const name :
       {"CardDataLeaving", "CardDataSuspected", "SensitiveAuthenticationDataLeaving",
        "UnapprovedScriptOnPaymentPage"}) {
    if (absl::StartsWith(alert, name)) return true;
  }
  return false;
}

void CopyFile(const std::string& name, const std::string& to) {
  std::ofstream(to) << ReadFile(absl::StrCat(kSource, "/tests/e2e/incident/", name));
}

}  // namespace

Scene::Scene()
    : gateway_port_(integration::FreePort()),
      processor_port_(integration::FreePort()),
      relay_port_(integration::FreePort()),
      sink_port_(integration::FreePort()) {}

void Scene::ConfigureSite() {
  const std::string folder = deployment_.site_folder();
  const auto fill = [&](std::string_view text) {
    return absl::StrReplaceAll(std::string(text), {{"@FOLDER@", folder},
                                                   {"@SITE@", absl::StrCat(site_.port())},
                                                   {"@SINK@", absl::StrCat(sink_port_)},
                                                   {"@RELAY@", absl::StrCat(relay_port_)},
                                                   {"@GATEWAY@", absl::StrCat(gateway_port_)},
                                                   {"@PROCESSOR@", absl::StrCat(processor_port_)}});
  };
  site_.Configure("shop", fill(kShopLines));
  site_.Configure("vendor", fill(kVendorLines));
  site_.Configure("http", fill(kServers));
  std::ofstream(folder + "/gateway.conf") << absl::StrReplaceAll(
      ReadFile(absl::StrCat(kSource, "/deploy/mirror/nginx.conf")),
      {{"location /checkout/", "location /"},
       {"http://application", absl::StrCat("https://127.0.0.1:", site_.port())},
       {"/run/skimwatch/mirror.sock", mirror_socket_}});
  std::filesystem::create_directories(folder + "/thief/w");
  CopyFile("skimmers/second_stage_loaded.js", folder + "/thief/w/t.js");
  CopyFile("site/checkout.html", folder + "/html/checkout.html");
  CopyFile("site/shop.js", folder + "/html/shop.js");
  // The chat talks to its vendor, which the shop knows.
  const std::string headers =
      absl::StrReplaceAll(ReadFile(absl::StrCat(kSource, "/deploy/browser-reports/headers.conf")),
                          {{"connect-src 'self'", "connect-src 'self' https://vendor.example"}});
  site_.Start(reports_socket_, headers);
}

std::string Scene::AgentYaml(const std::string& name, const std::string& site,
                             const std::string& more) {
  const std::string folder = absl::StrCat(deployment_.root(), "/", name);
  std::filesystem::create_directories(folder);
  auto [certificate, is_new] = certificates_.try_emplace(name);
  if (is_new) certificate->second = authority_.Issue(name, kAgents + name);
  const config::v1::Tls& tls = certificate->second;
  return absl::StrCat("sites: [", site,
                      "]\ncollector:\n  address: 127.0.0.1:", deployment_.collector().port(),
                      "\n  tls: { certificate_file: ", tls.certificate_file(),
                      ", key_file: ", tls.key_file(), ", ca_file: ", tls.ca_file(),
                      " }\n  reconnect_max_seconds: 1\nmetrics: { listen: \"127.0.0.1:0\" }\n"
                      "state_directory: ",
                      folder, "/state\nscan: { fold_window_seconds: 1 }\n", more);
}

std::string Scene::PagesYaml() {
  // The agent has its browser give way to every other program, so that it takes long beside others.
  return AgentYaml(
      "shop-pages", "{ name: shop, hosts: [shop.example] }",
      absl::StrCat(
          "pages:\n  browser: { seconds_max: 300, no_sandbox: ", geteuid() == 0 ? "true" : "false",
          ", arguments: [\"--ignore-certificate-errors-spki-list=", site_.key_digest(),
          "\", \"--host-resolver-rules=MAP * 127.0.0.1:", site_.port(),
          "\"] }\n  checks:\n    - name: checkout\n      url: ", kPage,
          "\n      referrers: [\"https://shop.example/cart\", \"https://www.google.com/\"]\n"
          "      settle_milliseconds: ",
          250 + looks_,
          "\n      steps:\n        - { fill: \"#card-holder\", text: \"{name}\", timeout_seconds: "
          "120 }\n"
          "        - { fill: \"#card-number\", text: \"{card}\", timeout_seconds: 120 }\n"
          "        - { fill: \"#card-expiry\", text: \"{expiry}\", timeout_seconds: 120 }\n"
          "        - { fill: \"#card-cvc\", text: \"{cvc}\", timeout_seconds: 120 }\n"
          "        - { click: \"#pay\", timeout_seconds: 120 }\n"));
}

void Scene::Start() {
  config::v1::CollectorConfig& collector = deployment_.collector_config;
  *collector.mutable_tls() = authority_.Issue("collector");
  collector.clear_roles();
  collector.add_roles()->set_identity(kOperator);
  collector.mutable_roles(0)->set_role("admin");
  collector.clear_agents();
  collector.add_agents(absl::StrCat(kAgents, "*"));
  deployment_.agent_tls = authority_.Issue("shop-web", absl::StrCat(kAgents, "shop-web"));
  deployment_.operator_tls = authority_.Issue("alice", kOperator);
  deployment_.operator_tls->set_server_name("localhost");
  // What is right at a shop with thousands of shoppers a day is the default; what is stated is the
  // time that it takes.
  deployment_.agent_yaml = absl::StrCat(
      "sources:\n  web_roots: [{ path: ", deployment_.site_folder(),
      "/html }]\n  browser_reports: [{ listen: \"unix:", reports_socket_,
      "\", learn_hours: 0, restore_after_seconds: 1 }]\n"
      "  packet_captures: [{ interface: lo, filter: tcp port ",
      processor_port_, " }]\n  http_mirrors: [{ listen: \"unix:", mirror_socket_,
      "\" }]\nscan: { fold_window_seconds: 1 }\nexpected_flows:\n"
      "  - { name: processor, host: api.processor.example, path_prefix: /v1/charges }\n"
      "  - { name: orders by phone, host: shop.example, path_prefix: /pay }\n");
  ASSERT_NO_FATAL_FAILURE(ConfigureSite());
  ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  const std::vector<std::string> environment = testing::SanitizerEnvironment();
  const auto agent = [&](const std::string& name) {
    return std::make_unique<testing::Daemon>(
        testing::Daemon::Options{.program = "skimwatch-agent",
                                 .folder = absl::StrCat(deployment_.root(), "/", name),
                                 .environment = environment});
  };
  chat_agent_ = agent("chat-web");
  page_agent_ = agent("shop-pages");
  ASSERT_NO_FATAL_FAILURE(chat_agent_->Start(
      AgentYaml("chat-web", "{ name: chat, hosts: [vendor.example] }",
                absl::StrCat("sources:\n  web_roots: [{ path: ", deployment_.site_folder(),
                             "/vendor }]\n  packet_captures: [{ interface: lo, filter: tcp port ",
                             relay_port_, " }]\n"))));
  shoppers_ = std::make_unique<Shoppers>(site_.key_digest());
}

void Scene::StartMonitoring() {
  monitoring_ = std::make_unique<integration::Monitoring>(deployment_.collector().metrics_port());
  monitoring_->Start();
}

absl::Time Scene::PublishChat(const std::string& text) const {
  site_.WriteVendor("chat.js.new", text);
  const std::string path = deployment_.site_folder() + "/vendor/chat.js";
  const absl::Time now = absl::Now();
  std::filesystem::rename(path + ".new", path);
  return now;
}

void Scene::SetRelay(bool on) const {
  const std::string path = deployment_.site_folder() + "/relay";
  if (on) {
    std::ofstream(path).flush();
  } else {
    std::filesystem::remove(path);
  }
}

void Scene::BeginLook() {
  page_agent_->Stop(SIGTERM);
  ++looks_;
  page_agent_->Start(PagesYaml());
}

bool Scene::AwaitLook() const {
  return WaitUntil(
      [this] {
        return SumOf(testing::HttpGet(page_agent_->port("metrics"), "/metrics"),
                     "skimwatch_page_checks_total") >= 1;
      },
      absl::Seconds(300));
}

Visit Scene::FromHome(int number, std::optional<size_t> card, const std::string& referrer) const {
  return {.url = kPage,
          .referrer = referrer,
          .address = absl::StrCat("127.0.1.", number),
          .port = site_.port(),
          .card = card};
}

Visit Scene::FromTheShopsNetwork(std::optional<size_t> card) const {
  return {
      .url = kPage, .referrer = "", .address = "127.0.2.1", .port = gateway_port_, .card = card};
}

std::vector<v1::StoredFinding> Scene::FindingsSince(absl::Time since) {
  std::vector<v1::StoredFinding> findings = deployment_.Findings();
  std::erase_if(findings, [&](const v1::StoredFinding& stored) {
    return TimeUtil::TimestampToMilliseconds(stored.stored_at()) < absl::ToUnixMillis(since);
  });
  return findings;
}

double Scene::Unapproved() const {
  double sum = 0;
  for (const auto& [agent, family] : {std::pair<const testing::Daemon*, const char*>{
                                          &*page_agent_, "skimwatch_page_unapproved_scripts"},
                                      {&*chat_agent_, "skimwatch_web_root_unapproved_scripts"}}) {
    const std::string page = testing::HttpGet(agent->port("metrics"), "/metrics");
    sum += absl::StrContains(page, family) ? SumOf(page, family) : 1;
  }
  const std::string page = deployment_.AgentGet("/metrics");
  return sum + SumOf(page, "skimwatch_web_root_unapproved_scripts") +
         SumOf(page, "skimwatch_browser_unapproved_scripts");
}

size_t Scene::ApproveWhatIsListed(const std::string& justification) {
  size_t approved = 0;
  for (const std::string& site : {std::string("shop"), std::string("chat")}) {
    const testing::Result listed =
        deployment_.Ctl({"scripts", "list", "--site", site, "--limit", "0", "--output", "json"});
    EXPECT_EQ(listed.code, 0) << listed.err;
    const nlohmann::json list = nlohmann::json::parse(listed.out, nullptr, false);
    if (list.is_discarded()) continue;
    for (const nlohmann::json& script : list["scripts"]) {
      const std::string state = script.value("state", "");
      if (state == "STATE_APPROVED" || state == "STATE_REMOVED") continue;
      const std::string hash = script["current"].value("sha256", "");
      const testing::Result done =
          deployment_.Ctl({"scripts", "approve", script.value("name", ""), hash, "--site", site,
                           "--justification", justification});
      EXPECT_EQ(done.code, 0) << done.err;
      ++approved;
    }
  }
  return approved;
}

size_t Scene::ApproveEverything(const std::string& justification) {
  size_t approved = 0;
  // What an agent has seen is in the collector's list a moment later.
  EXPECT_TRUE(WaitUntil([&] {
    if (Unapproved() == 0) return true;
    approved += ApproveWhatIsListed(justification);
    return false;
  })) << Logs();
  return approved;
}

void Scene::CloseEverything(const std::string& reason) {
  for (const v1::Exposure& exposure : deployment_.Exposures()) {
    if (exposure.state() != v1::Exposure::STATE_OPEN) continue;
    const testing::Result closed =
        deployment_.Ctl({"exposures", "close", absl::StrCat(exposure.id()), "--reason", reason});
    EXPECT_EQ(closed.code, 0) << closed.err;
  }
  EXPECT_TRUE(WaitUntil([this] {
    const std::vector<std::string> firing = monitoring_->Firing();
    return std::none_of(firing.begin(), firing.end(), IsOfAnExposure);
  }));
}

std::vector<size_t> Scene::CardsOfTheThief(size_t cards) const {
  const std::string log = ReadFile(deployment_.site_folder() + "/thief.log");
  std::vector<size_t> found = integration::CardsIn(log, cards);
  for (size_t card = 0; card < cards; ++card) {
    const std::string hex = absl::BytesToHexString(integration::CardNumber(card));
    if (absl::StrContains(log, hex)) found.push_back(card);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::string Scene::Logs() {
  return absl::StrCat("shop-web:\n", deployment_.agent().Log(), "\nshop-pages:\n",
                      page_agent_->Log(), "\nchat-web:\n", chat_agent_->Log(), "\ncollector:\n",
                      ReadFile(deployment_.collector_folder() + "/skimwatch-collector.log"));
}

}  // namespace skimwatch::e2e
