#include "tests/deploy/watched_collector.h"

#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/findings.h"

namespace skimwatch::testing {
namespace {

constexpr char kAgent[] = "spiffe://test/agent/web-1";

v1::Finding TrackFinding(uint64_t sequence, absl::Time seen) {
  v1::Finding finding = CardFinding(sequence, {.card = 3, .seen = seen});
  const v1::CardNumber number = finding.card_number();
  *finding.mutable_track_data()->mutable_card() = number.card();
  finding.mutable_track_data()->set_format(v1::TrackData::FORMAT_PAN_WITH_CVV);
  finding.mutable_track_data()->set_score(number.score());
  finding.set_severity(v1::SEVERITY_CRITICAL);
  return finding;
}

v1::StreamRequest Heartbeat(uint64_t round) {
  v1::StreamRequest request;
  v1::Heartbeat* heartbeat = request.mutable_heartbeat();
  *heartbeat->mutable_sent_at() = store::ToTimestamp(absl::Now());
  v1::Coverage* coverage = heartbeat->mutable_coverage();
  coverage->set_scanned_bytes(round * 1000);
  coverage->set_inbound_bytes(round * 200);
  coverage->set_shed_bytes(round * 10);
  coverage->set_seen_bytes(round * 1210);
  heartbeat->mutable_spool()->set_bytes(4096);
  heartbeat->mutable_spool()->set_bytes_max(1 << 20);
  heartbeat->set_sample_ratio(0.5);
  heartbeat->set_policy_version(1);
  v1::PageLook* page = heartbeat->add_pages();
  page->set_name("checkout");
  page->set_site("shop");
  *page->mutable_last_look() = store::ToTimestamp(absl::Now());
  *page->mutable_last_whole_look() = page->last_look();
  page->set_outcome(v1::PageLook::OUTCOME_OK);
  page->set_interval_seconds(86400);
  page->add_looks(round);
  return request;
}

}  // namespace

WatchedCollector::WatchedCollector() : authority_(folder_.path()) {
  config::v1::CollectorConfig config = TestConfig(folder_.path());
  *config.mutable_tls() = authority_.Issue("collector");
  config.clear_roles();
  config.clear_agents();
  config.add_agents(kAgent);
  // Nobody listens there: the stream lags.
  config::v1::Sink& sink = *config.add_sinks();
  sink.set_name("siem");
  sink.set_exposure_interval_seconds(60);
  sink.mutable_webhook()->set_url("http://127.0.0.1:9/");
  sink.mutable_webhook()->set_events_max(1);
  sink.mutable_webhook()->set_timeout_ms(1000);
  sink.mutable_webhook()->set_tries_max(5);
  collector_ = std::make_unique<CollectorProcess>(config, folder_.path());
  collector_->Start();
  agent_ = std::thread([this] { Stream(); });
  StartPrometheus();
}

WatchedCollector::~WatchedCollector() {
  stopping_ = true;
  agent_.join();
}

void WatchedCollector::Stream() {
  config::v1::Tls tls = authority_.Issue("agent", kAgent);
  tls.set_server_name("localhost");
  AgentClient agent(ConnectTo(collector_->port(), tls), absl::Minutes(5));
  EXPECT_TRUE(agent.SendHello(/*epoch=*/7));
  EXPECT_TRUE(agent.ReadWelcome().has_value());
  uint64_t sequence = 0;
  for (uint64_t round = 1; !stopping_; ++round) {
    const absl::Time now = absl::Now();
    std::vector<v1::Finding> findings;
    // High confidence, as an agent grades it.
    findings.push_back(CardFinding(
        ++sequence, {.card = round % 20, .severity = v1::SEVERITY_CRITICAL, .seen = now}));
    findings.push_back(CardFinding(++sequence, {.card = 1, .expected = true, .seen = now}));
    findings.push_back(TrackFinding(++sequence, now));
    v1::Finding script = ScriptFinding(
        ++sequence,
        round == 1 ? v1::ScriptChange::CHANGE_PROPOSED : v1::ScriptChange::CHANGE_CHANGED, round);
    *script.mutable_first_seen() = store::ToTimestamp(now);
    *script.mutable_last_seen() = script.first_seen();
    findings.push_back(std::move(script));
    if (!agent.Send(Heartbeat(round)) || !agent.SendBatch(std::move(findings)) ||
        !agent.ReadAckOf(sequence)) {
      std::string message;
      const int code = agent.Finish(&message);
      ADD_FAILURE() << "the agent's stream ended with " << code << ": " << message;
      return;
    }
    // The rate of the load, not a wait for anything.
    absl::SleepFor(absl::Milliseconds(100));
  }
}

void WatchedCollector::StartPrometheus() {
  prometheus_port_ = FreePort();
  const std::string rules = std::string(SKIMWATCH_SOURCE_DIR) + "/deploy/prometheus";
  std::string config = ReadFile(rules + "/prometheus.yml");
  const std::string original = config;
  config = absl::StrReplaceAll(
      config, {{"127.0.0.1:9464", absl::StrCat("127.0.0.1:", collector_->metrics_port())},
               {"interval: 15s", "interval: 1s"},
               {"- alerts.yml", absl::StrCat("- ", rules, "/alerts.yml")},
               {"- recording.yml", absl::StrCat("- ", rules, "/recording.yml")}});
  EXPECT_NE(config, original);
  const std::string config_file = folder_.File("prometheus.yml");
  std::ofstream(config_file) << config;
  prometheus_ = std::make_unique<BackgroundProgram>(
      std::vector<std::string>{"prometheus", "--config.file=" + config_file,
                               "--storage.tsdb.path=" + folder_.File("tsdb"),
                               absl::StrCat("--web.listen-address=127.0.0.1:", prometheus_port_),
                               "--log.level=warn"},
      folder_.File("prometheus.log"));
  for (int i = 0; i < 600; ++i) {
    if (RunTool({"curl", "-sf", "-o", "/dev/null", prometheus() + "/-/ready"}).exit_code == 0) {
      return;
    }
    ASSERT_TRUE(prometheus_->IsRunning()) << prometheus_->Log();
    absl::SleepFor(absl::Milliseconds(50));
  }
  FAIL() << "Prometheus is not ready: " << prometheus_->Log();
}

std::string WatchedCollector::prometheus() const {
  return absl::StrCat("http://127.0.0.1:", prometheus_port_);
}

std::string WatchedCollector::Query(const std::string& expression) const {
  const Outcome outcome = RunTool({"promtool", "query", "instant", prometheus(), expression});
  EXPECT_EQ(outcome.exit_code, 0) << expression << "\n" << outcome.output;
  return outcome.exit_code == 0 ? std::string(absl::StripAsciiWhitespace(outcome.output)) : "";
}

}  // namespace skimwatch::testing
