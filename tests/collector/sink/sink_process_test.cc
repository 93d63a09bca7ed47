#include <signal.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/sink/nats_server.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::sink {
namespace {

using testing::AgentClient;
using testing::CardFinding;
using testing::CollectorProcess;
using ::testing::HasSubstr;
using testing::NatsServer;
using testing::WaitUntil;

// The value of a metric with these labels; -1 where there is none.
double Metric(const CollectorProcess& collector, const std::string& name) {
  for (const auto line : absl::StrSplit(collector.Get("/metrics"), '\n')) {
    if (!absl::StartsWith(line, name + " ")) continue;
    double value = -1;
    return absl::SimpleAtod(line.substr(name.size() + 1), &value) ? value : -1;
  }
  return -1;
}

config::v1::CollectorConfig WithSink(config::v1::CollectorConfig config, const NatsServer& nats) {
  config::v1::Sink& sink = *config.add_sinks();
  sink.set_name("siem");
  sink.set_from("beginning");
  sink.set_exposure_interval_seconds(60);
  sink.mutable_nats()->add_servers(nats.address());
  sink.mutable_nats()->set_subject("skimwatch");
  sink.mutable_nats()->mutable_tls()->set_plaintext(true);
  return config;
}

// Findings of an agent's stream, until the collector has committed them.
void Stream(int port, uint64_t first, uint64_t last) {
  AgentClient agent(testing::ConnectTo(port, testing::Plaintext()));
  ASSERT_TRUE(agent.SendHello(77));
  ASSERT_TRUE(agent.ReadWelcome().has_value());
  for (uint64_t next = first; next <= last; next += 100) {
    std::vector<v1::Finding> findings;
    for (uint64_t i = next; i < next + 100; ++i) {
      findings.push_back(CardFinding(i, {.card = i % 50}));
    }
    ASSERT_TRUE(agent.SendBatch(std::move(findings)));
  }
  ASSERT_TRUE(agent.ReadAckOf(last));
}

size_t FindingsIn(NatsServer& nats) {
  std::set<std::string> ids;
  for (const NatsServer::Message& message : nats.Messages("SKIM")) {
    EXPECT_TRUE(message.id.size() > 2);
    if (!message.id.starts_with("f-")) continue;
    EXPECT_TRUE(ids.insert(message.id).second) << message.id;
  }
  return ids.size();
}

TEST(SinkProcess, LosesNothingOverKillsOfCollectorAndServer) {
  testing::TempFolder folder;
  NatsServer nats;
  ASSERT_NO_FATAL_FAILURE(nats.Start());
  ASSERT_NO_FATAL_FAILURE(nats.MakeStream("SKIM", "skimwatch.>"));
  CollectorProcess collector(WithSink(testing::TestConfig(folder.path()), nats), folder.path());
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  ASSERT_NO_FATAL_FAILURE(Stream(collector.port(), 1, 600));
  // In mid-stream.
  ASSERT_TRUE(WaitUntil([&] { return nats.Count("SKIM") > 100; }));
  nats.Kill();
  ASSERT_NO_FATAL_FAILURE(Stream(collector.port(), 601, 1200));
  EXPECT_TRUE(WaitUntil([&] {
    return Metric(collector, "skimwatch_sink_errors_total{sink=\"siem\",reason=\"unreachable\"}") >
           0;
  }));
  EXPECT_GT(Metric(collector, "skimwatch_sink_lag_findings{sink=\"siem\"}"), 0);
  ASSERT_NO_FATAL_FAILURE(nats.Start());
  ASSERT_TRUE(WaitUntil([&] { return nats.Count("SKIM") > 700; }));
  collector.Stop(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  ASSERT_NO_FATAL_FAILURE(Stream(collector.port(), 1201, 1500));
  ASSERT_TRUE(WaitUntil(
      [&] { return Metric(collector, "skimwatch_sink_lag_findings{sink=\"siem\"}") == 0; }));
  EXPECT_EQ(FindingsIn(nats), 1500u);
  EXPECT_EQ(Metric(collector, "skimwatch_sink_missed_findings_total{sink=\"siem\"}"), 0);
  EXPECT_EQ(Metric(collector, "skimwatch_sink_set_aside_total{sink=\"siem\"}"), 0);
  EXPECT_EQ(Metric(collector, "skimwatch_sink_active{sink=\"siem\"}"), 1);
}

TEST(SinkProcess, IsFedByOneOfTwoCollectorsOnOneDatabase) {
  testing::PostgresServer server;
  testing::TempFolder folders[2];
  NatsServer nats;
  ASSERT_NO_FATAL_FAILURE(nats.Start());
  ASSERT_NO_FATAL_FAILURE(nats.MakeStream("SKIM", "skimwatch.>"));
  std::unique_ptr<CollectorProcess> collectors[2];
  for (int i = 0; i < 2; ++i) {
    config::v1::CollectorConfig config = testing::TestConfig(folders[i].path());
    config.mutable_fingerprint_keys()->set_files(0, folders[0].File("fingerprint.key"));
    config.set_listen(absl::StrCat("127.0.0.", i + 1, ":0"));
    config.mutable_store()->clear_path();
    config.mutable_store()->mutable_postgres()->set_conninfo(server.Conninfo("postgres"));
    config.mutable_store()->mutable_postgres()->set_readers_max(4);
    collectors[i] = std::make_unique<CollectorProcess>(WithSink(config, nats), folders[i].path());
    ASSERT_NO_FATAL_FAILURE(collectors[i]->Start());
  }
  const auto active = [&](int i) {
    return Metric(*collectors[i], "skimwatch_sink_active{sink=\"siem\"}") == 1;
  };
  ASSERT_TRUE(WaitUntil([&] { return active(0) || active(1); }));
  const int holder = active(0) ? 0 : 1;
  const int other = 1 - holder;
  EXPECT_FALSE(active(other));
  // What the other one stores is fed all the same.
  const auto stream = [&](int i, uint64_t epoch, uint64_t last) {
    AgentClient agent(testing::ConnectTo(
        absl::StrCat("127.0.0.", i + 1, ":", collectors[i]->port()), testing::Plaintext()));
    ASSERT_TRUE(agent.SendHello(epoch));
    ASSERT_TRUE(agent.ReadWelcome().has_value());
    std::vector<v1::Finding> findings;
    for (uint64_t n = 1; n <= last; ++n) findings.push_back(CardFinding(n, {.card = n % 50}));
    ASSERT_TRUE(agent.SendBatch(std::move(findings)));
    ASSERT_TRUE(agent.ReadAckOf(last));
  };
  ASSERT_NO_FATAL_FAILURE(stream(other, 1, 300));
  ASSERT_NO_FATAL_FAILURE(stream(holder, 2, 300));
  ASSERT_TRUE(WaitUntil([&] { return FindingsIn(nats) == 600; }));
  EXPECT_EQ(
      Metric(*collectors[other],
             "skimwatch_sink_events_total{sink=\"siem\",content=\"finding\",result=\"sent\"}"),
      0);
  // It takes over when the holder shows no sign of life any more.
  collectors[holder]->Stop(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(stream(other, 3, 300));
  ASSERT_TRUE(WaitUntil([&] { return active(other); }, absl::Seconds(60)));
  EXPECT_TRUE(WaitUntil([&] { return FindingsIn(nats) == 900; }));
}

}  // namespace
}  // namespace skimwatch::sink
