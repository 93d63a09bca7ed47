#include "tests/integration/support/deployment.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/fingerprint/fingerprint.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/agent_client.h"
#include "tests/integration/support/cards.h"

namespace skimwatch::integration {
namespace {

// Every page of a list of the query service.
template <typename Request, typename Response, typename Item>
std::vector<Item> ListAll(v1::QueryService::Stub& query,
                          grpc::Status (v1::QueryService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Response*),
                          const google::protobuf::RepeatedPtrField<Item>& (Response::*items)()
                              const) {
  std::vector<Item> all;
  Request request;
  request.set_page_size(1000);
  do {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status = (query.*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) break;
    all.insert(all.end(), (response.*items)().begin(), (response.*items)().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

const v1::Card& CardOf(const v1::Finding& finding) {
  return finding.has_track_data() ? finding.track_data().card() : finding.card_number().card();
}

}  // namespace

std::optional<double> MetricOf(std::string_view page, std::string_view series) {
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(std::string(page), '\n'))) {
    if (line.size() > series.size() && line.compare(0, series.size(), series) == 0 &&
        line[series.size()] == ' ') {
      double value = 0;
      if (absl::SimpleAtod(line.substr(series.size() + 1), &value)) return value;
    }
  }
  return std::nullopt;
}

double SumOf(std::string_view page, std::string_view family) {
  double sum = 0;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(std::string(page), '\n'))) {
    if (line.compare(0, family.size(), family) != 0 || line.size() <= family.size()) continue;
    if (line[family.size()] != '{' && line[family.size()] != ' ') continue;
    double value = 0;
    if (absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum += value;
  }
  return sum;
}

bool MayCapture() {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (fd < 0) return false;
  close(fd);
  return true;
}

Deployment::Deployment() {
  for (const std::string& folder : {collector_folder(), agent_folder(), site_folder()}) {
    std::filesystem::create_directory(folder);
  }
  collector_config = testing::TestConfig(collector_folder());
  collector_config.mutable_ingest()->set_heartbeat_interval_ms(100);
  state_directory = agent_folder() + "/state";
}

void Deployment::StartCollector() {
  if (collector_ == nullptr) {
    collector_ = std::make_unique<testing::CollectorProcess>(collector_config, collector_folder());
  }
  collector_->Start();
}

int Deployment::StopCollector(int signal) { return collector_->Stop(signal); }

std::string Deployment::AgentYaml() const {
  std::string services;
  for (const int port : service_ports) {
    absl::StrAppend(&services, services.empty() ? "" : ", ", "\"127.0.0.1:", port, "\"");
  }
  std::string tls = "plaintext: true";
  if (agent_tls.has_value()) {
    tls = absl::StrCat("certificate_file: ", agent_tls->certificate_file(),
                       ", key_file: ", agent_tls->key_file(), ", ca_file: ", agent_tls->ca_file(),
                       ", reload_interval_seconds: 1");
  }
  return absl::StrCat("sites: [{ name: shop, hosts: [shop.example], services: [", services,
                      "] }]\n"
                      "collector:\n  address: 127.0.0.1:",
                      collector_->port(), "\n  tls: { ", tls,
                      " }\n  reconnect_max_seconds: 1\n"
                      "metrics: { listen: \"127.0.0.1:0\" }\n"
                      "state_directory: ",
                      state_directory, "\n", agent_yaml);
}

void Deployment::StartAgent() {
  std::vector<std::string> environment = agent_environment;
  for (std::string& setting : testing::SanitizerEnvironment()) {
    environment.push_back(std::move(setting));
  }
  if (agent_ == nullptr) {
    agent_ = std::make_unique<testing::Daemon>(
        testing::Daemon::Options{.program = "skimwatch-agent",
                                 .folder = agent_folder(),
                                 .environment = std::move(environment)});
  }
  agent_->Start(AgentYaml());
}

int Deployment::StopAgent(int signal) { return agent_->Stop(signal); }

void Deployment::StartAgentAndWait() {
  ASSERT_NO_FATAL_FAILURE(StartAgent());
  ASSERT_TRUE(testing::WaitUntil([this] {
    return AgentIsReady() && AgentMetric("skimwatch_policy_version") > 0;
  })) << AgentGet("/readyz");
}

std::string Deployment::AgentGet(const std::string& path) const {
  return testing::HttpGet(agent_->port("metrics"), path);
}

double Deployment::AgentMetric(std::string_view series) const {
  const std::optional<double> value = MetricOf(AgentGet("/metrics"), series);
  EXPECT_TRUE(value.has_value()) << "the agent has no " << series;
  return value.value_or(0);
}

double Deployment::CollectorMetric(std::string_view series) const {
  const std::optional<double> value = MetricOf(collector_->Get("/metrics"), series);
  EXPECT_TRUE(value.has_value()) << "the collector has no " << series;
  return value.value_or(0);
}

bool Deployment::AgentIsReady() const {
  return AgentGet("/readyz").find(" 200 ") != std::string::npos;
}

uint64_t Deployment::AgentMemoryMax() const {
  const std::string status = testing::ReadFile(absl::StrCat("/proc/", agent_->pid(), "/status"));
  uint64_t kib = 0;
  const size_t at = status.find("VmHWM:");
  EXPECT_NE(at, std::string::npos);
  std::istringstream(status.substr(at + 6)) >> kib;
  return kib << 10;
}

std::shared_ptr<grpc::Channel> Deployment::Channel() const {
  return testing::ConnectTo(collector_->port(),
                            operator_tls.has_value() ? *operator_tls : testing::Plaintext());
}

std::vector<v1::StoredFinding> Deployment::Findings() {
  const auto query = v1::QueryService::NewStub(Channel());
  std::vector<v1::StoredFinding> findings =
      ListAll(*query, &v1::QueryService::Stub::ListFindings, &v1::ListFindingsResponse::findings);
  std::reverse(findings.begin(), findings.end());
  return findings;
}

std::vector<v1::Exposure> Deployment::Exposures() {
  const auto query = v1::QueryService::NewStub(Channel());
  return ListAll(*query, &v1::QueryService::Stub::ListExposures,
                 &v1::ListExposuresResponse::exposures);
}

std::vector<v1::Agent> Deployment::Agents() {
  const auto query = v1::QueryService::NewStub(Channel());
  return ListAll(*query, &v1::QueryService::Stub::ListAgents, &v1::ListAgentsResponse::agents);
}

std::map<size_t, StoredCard> Deployment::Cards(size_t cards) {
  const auto key = fingerprint::ReadKeyFile(collector_config.fingerprint_keys().files(0));
  EXPECT_TRUE(key.ok()) << key.status();
  if (!key.ok()) return {};
  std::map<std::string, size_t> index_of;
  for (size_t i = 0; i < cards; ++i) {
    index_of[*fingerprint::Fingerprint(*key, CardDigits(i))] = i;
  }
  std::map<size_t, StoredCard> stored;
  for (v1::StoredFinding& one : Findings()) {
    const v1::Finding& finding = one.finding();
    if (!finding.has_card_number() && !finding.has_track_data()) continue;
    const v1::Card& card = CardOf(finding);
    const auto it = index_of.find(card.fingerprint());
    EXPECT_NE(it, index_of.end()) << "stored, and not planted: " << card.masked() << " "
                                  << finding.provenance().ShortDebugString();
    if (it == index_of.end()) continue;
    const std::string number = CardNumber(it->second);
    EXPECT_EQ(card.masked(), number.substr(0, 6) + "******" + number.substr(12));
    StoredCard& entry = stored[it->second];
    entry.occurrences += finding.count();
    if (finding.expected()) entry.expected_occurrences += finding.count();
    entry.findings.push_back(std::move(one));
  }
  return stored;
}

bool Deployment::WaitForCards(size_t cards, absl::Duration patience) {
  size_t stored = 0;
  const bool all = testing::WaitUntil(
      [&] {
        // Asked for its count first: a look at everything is dear.
        if (SumOf(collector_->Get("/metrics"), "skimwatch_findings_total") < cards) return false;
        stored = Cards(cards).size();
        return stored == cards;
      },
      patience);
  EXPECT_TRUE(all) << stored << " of " << cards
                   << " cards are stored; the agent: " << AgentGet("/readyz");
  return all;
}

void Deployment::ExpectEachCard(size_t cards, uint64_t occurrences) {
  const std::map<size_t, StoredCard> stored = Cards(cards);
  EXPECT_EQ(stored.size(), cards);
  for (const auto& [card, entry] : stored) {
    EXPECT_EQ(entry.occurrences, occurrences) << "card " << card;
  }
}

void Deployment::ExpectNoNumberKept(size_t cards) const {
  EXPECT_THAT(LeaksBelow(collector_folder(), cards), ::testing::IsEmpty());
  EXPECT_THAT(LeaksBelow(agent_folder(), cards), ::testing::IsEmpty());
  if (std::filesystem::exists(state_directory)) {
    EXPECT_THAT(LeaksBelow(state_directory, cards), ::testing::IsEmpty());
  }
}

testing::Result Deployment::Ctl(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {std::string(SKIMWATCH_BIN_DIR) + "/skimwatchctl",
                                      "--collector",
                                      absl::StrCat("127.0.0.1:", collector_->port())};
  if (operator_tls.has_value()) {
    for (const std::string& option :
         {std::string("--certificate"), operator_tls->certificate_file(), std::string("--key"),
          operator_tls->key_file(), std::string("--ca"), operator_tls->ca_file()}) {
      command.push_back(option);
    }
  } else {
    command.push_back("--plaintext");
  }
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = testing::SanitizerEnvironment();
  environment.push_back("HOME=" + root());
  return testing::RunProgram({.command = command, .environment = environment});
}

}  // namespace skimwatch::integration
