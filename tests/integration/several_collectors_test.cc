#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/uplink/uplink.h"
#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {
namespace {

using testing::CollectorProcess;

// Two collectors on one PostgreSQL server, and an agent's uplink that knows both.
class SeveralCollectors : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 2; ++i) {
      folders_.push_back(std::make_unique<testing::TempFolder>());
      config::v1::CollectorConfig config = testing::TestConfig(folders_.back()->path());
      // Their keys are one file, as their policy must be one.
      config.mutable_fingerprint_keys()->set_files(0, folders_[0]->File("fingerprint.key"));
      // An address each tells them apart.
      config.set_listen(absl::StrCat("127.0.0.", i + 1, ":0"));
      config.mutable_store()->clear_path();
      config.mutable_store()->mutable_postgres()->set_conninfo(server_.Conninfo("postgres"));
      config.mutable_store()->mutable_postgres()->set_readers_max(4);
      collectors_.push_back(std::make_unique<CollectorProcess>(config, folders_.back()->path()));
      ASSERT_NO_FATAL_FAILURE(collectors_.back()->Start());
    }
  }

  std::string Address(size_t collector) const {
    return absl::StrCat("127.0.0.", collector + 1, ":", collectors_[collector]->port());
  }

  std::unique_ptr<uplink::Uplink> OpenUplink(uplink::Uplink::Options options = {}) {
    options.collector.mutable_tls()->set_plaintext(true);
    options.collector.add_addresses(Address(0));
    options.collector.add_addresses(Address(1));
    options.collector.set_reconnect_max_seconds(2);
    options.collector.set_rebalance_minutes(0);
    options.state_directory = agent_folder_.path();
    options.sites = {"shop"};
    auto uplink = uplink::Uplink::Open(options);
    EXPECT_TRUE(uplink.ok()) << uplink.status();
    (*uplink)->Start();
    return *std::move(uplink);
  }

  // Which collector says that the agent is connected to it.
  size_t ConnectedTo() const {
    const std::string name = server_.Query("postgres", "SELECT connected_to FROM agents");
    return absl::StrContains(name, "/127.0.0.1:") ? 0 : 1;
  }

  static std::vector<v1::Finding> Findings(uint64_t count) {
    std::vector<v1::Finding> findings;
    for (uint64_t i = 0; i < count; ++i) {
      findings.push_back(testing::CardFinding(1, {.card = i % 50}));
    }
    return findings;
  }

  testing::PostgresServer server_;
  testing::TempFolder agent_folder_;
  std::vector<std::unique_ptr<testing::TempFolder>> folders_;
  std::vector<std::unique_ptr<CollectorProcess>> collectors_;
};

TEST_F(SeveralCollectors, TakeOverAnAgentInMidBatchAndEachFindingIsStoredOnce) {
  constexpr uint64_t kBurst = 4000;
  constexpr int kKills = 4;
  const std::unique_ptr<uplink::Uplink> uplink = OpenUplink();
  ASSERT_TRUE(testing::WaitUntil([&] { return uplink->GetState().connected; }));
  for (int kill = 0; kill < kKills; ++kill) {
    ASSERT_TRUE(testing::WaitUntil(
        [&] { return server_.Query("postgres", "SELECT connected FROM agents") == "1"; }));
    const size_t victim = ConnectedTo();
    const uint64_t before = uplink->GetState().acknowledged_findings;
    ASSERT_TRUE(uplink->Append(Findings(kBurst)).ok());
    // Some of it is acknowledged; batches are on the way, in the queue and in a transaction.
    ASSERT_TRUE(
        testing::WaitUntil([&] { return uplink->GetState().acknowledged_findings > before; }));
    ASSERT_TRUE(WIFSIGNALED(collectors_[victim]->Stop(SIGKILL)));
    const absl::Time killed = absl::Now();
    const uint64_t connections = uplink->GetState().connections;
    ASSERT_TRUE(testing::WaitUntil([&] {
      const uplink::Uplink::State state = uplink->GetState();
      return state.connected && (state.connections > connections || ConnectedTo() != victim);
    }));
    EXPECT_LT(absl::Now() - killed, absl::Seconds(10));
    ASSERT_TRUE(testing::WaitUntil([&] { return uplink->GetState().pending_findings == 0; }));
    EXPECT_TRUE(testing::WaitUntil([&] { return ConnectedTo() != victim; }));
    ASSERT_NO_FATAL_FAILURE(collectors_[victim]->Start());
  }
  constexpr uint64_t kAll = kBurst * kKills;
  EXPECT_EQ(server_.Query("postgres",
                          "SELECT count(*), count(DISTINCT (stream_id, sequence)),"
                          " (SELECT sum(findings) FROM finding_totals),"
                          " (SELECT sum(occurrences) FROM sightings) FROM findings"),
            absl::StrCat(kAll, "|", kAll, "|", kAll, "|", kAll));
  EXPECT_EQ(server_.Query("postgres", "SELECT count(*) FROM exposures"), "1");
}

TEST_F(SeveralCollectors, GetAnAgentInTurnAndStoreItsFindingsAndCountItsCoverageOnce) {
  constexpr uint64_t kBurst = 500;
  std::atomic<uint64_t> scanned = 0;
  uplink::Uplink::Options options;
  options.rebalance = absl::Seconds(1);
  options.heartbeat = [&] {
    scanned += 1000;
    v1::Heartbeat heartbeat;
    heartbeat.mutable_coverage()->set_seen_bytes(scanned);
    heartbeat.mutable_coverage()->set_scanned_bytes(scanned);
    return heartbeat;
  };
  const std::unique_ptr<uplink::Uplink> uplink = OpenUplink(options);
  uint64_t all = 0;
  std::set<size_t> collectors;
  EXPECT_TRUE(testing::WaitUntil([&] {
    EXPECT_TRUE(uplink->Append(Findings(kBurst)).ok());
    all += kBurst;
    collectors.insert(ConnectedTo());
    return collectors.size() == 2 && uplink->GetState().connections >= 5;
  }));
  EXPECT_TRUE(testing::WaitUntil([&] { return uplink->GetState().pending_findings == 0; }));
  EXPECT_EQ(server_.Query("postgres",
                          "SELECT count(*), count(DISTINCT (stream_id, sequence)) FROM findings"),
            absl::StrCat(all, "|", all));

  // What is told once too often never goes away again.
  store::Options store_options;
  store_options.config.mutable_postgres()->set_conninfo(server_.Conninfo("postgres"));
  const auto store = store::OpenPostgresStore(store_options);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(testing::WaitUntil([&] {
    const auto rows = (*store)->ListCoverage(absl::Now() - absl::Hours(2), absl::Now());
    return rows.ok() && rows->size() == 1 && rows->front().coverage().scanned_bytes() == scanned;
  }));
}

TEST_F(SeveralCollectors, ShareWhatIsOfAnAgentAndOfThePolicy) {
  const std::unique_ptr<uplink::Uplink> uplink = OpenUplink();
  ASSERT_TRUE(uplink->Append(Findings(100)).ok());
  ASSERT_TRUE(testing::WaitUntil([&] { return uplink->GetState().pending_findings == 0; }));
  for (const auto& collector : collectors_) {
    EXPECT_TRUE(testing::WaitUntil([&] {
      return absl::StrContains(collector->Get("/metrics"), "skimwatch_findings_total{");
    }));
  }
  // One configuration, one version: the second to start had nothing to raise.
  EXPECT_EQ(server_.Query("postgres",
                          "SELECT encode(value, 'escape') FROM settings"
                          " WHERE name = 'policy_version'"),
            "1");
}

TEST_F(SeveralCollectors, TurnAnAgentAwayWhileTheirDatabaseIsAwayAndTakeItsFindingsAfter) {
  const std::unique_ptr<uplink::Uplink> uplink = OpenUplink();
  ASSERT_TRUE(uplink->Append(Findings(10)).ok());
  ASSERT_TRUE(testing::WaitUntil([&] { return uplink->GetState().pending_findings == 0; }));
  server_.Stop(SIGQUIT);
  ASSERT_TRUE(uplink->Append(Findings(500)).ok());
  ASSERT_TRUE(testing::WaitUntil([&] {
    return absl::StrContains(collectors_[0]->Get("/readyz"), " 503 ") &&
           absl::StrContains(collectors_[1]->Get("/readyz"), " 503 ");
  }));
  EXPECT_GT(uplink->GetState().pending_findings, 0u);
  server_.Start();
  ASSERT_TRUE(testing::WaitUntil([&] { return uplink->GetState().pending_findings == 0; }));
  EXPECT_EQ(server_.Query("postgres", "SELECT count(*) FROM findings"), "510");
  for (const auto& collector : collectors_) {
    EXPECT_TRUE(
        testing::WaitUntil([&] { return absl::StrContains(collector->Get("/readyz"), " 200 "); }));
  }
}

}  // namespace
}  // namespace skimwatch::integration
