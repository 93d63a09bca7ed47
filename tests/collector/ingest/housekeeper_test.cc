#include "collector/ingest/housekeeper.h"

#include <signal.h>

#include <memory>
#include <optional>
#include <string>

#include "collector/exposure/exposure_folder.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::ingest {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);

// Until it is so, for ten seconds at most.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

TEST(Housekeeper, DeletesPastRetentionAndClosesWhatWentQuiet) {
  testing::TempStore store;
  ASSERT_TRUE(store
                  ->Write([&](store::Transaction& tx) -> absl::Status {
                    exposure::ExposureFolder folder({}, &tx, kNow - absl::Hours(72));
                    for (uint64_t i = 1; i <= 2500; ++i) {
                      auto id =
                          folder.Add(testing::CardFinding(i), v1::FINDING_KIND_CARD_NUMBER, "a");
                      if (!id.ok()) return id.status();
                      const absl::Time at = kNow - absl::Hours(i <= 2200 ? 72 : 1);
                      absl::Status s = tx.InsertFinding(
                          testing::Stored(testing::CardFinding(i), "a", 1, at, *id),
                          v1::FINDING_KIND_CARD_NUMBER);
                      if (!s.ok()) return s;
                    }
                    return folder.Flush();
                  })
                  .ok());
  StoreHealth health;
  AgentRegistry agents(absl::Seconds(30));
  Housekeeper housekeeper({.store = store.get(),
                           .health = &health,
                           .agents = &agents,
                           .retention = absl::Hours(48),
                           .quiet = absl::Hours(24),
                           .interval = absl::Milliseconds(10),
                           .cleaning_interval = absl::Milliseconds(50),
                           .now = [] { return kNow; }});
  EXPECT_TRUE(Eventually(
      [&] { return store->GetExposure(1)->exposure().state() == v1::Exposure::STATE_CLOSED; }));
  v1::ListFindingsRequest request;
  request.set_page_size(1000);
  EXPECT_EQ(store->ListFindings(request)->findings_size(), 300);
  // Sightings stay.
  v1::CheckCardRequest check;
  check.add_fingerprints(testing::FingerprintOf(1));
  EXPECT_EQ(store->CheckCard(check)->sightings(0).occurrences(), 2500u);
}

TEST(Housekeeper, WritesAgentsAlsoWhenItStops) {
  testing::TempStore store{store::Options{.now = [] { return kNow; }}};
  StoreHealth health;
  AgentRegistry agents(absl::Seconds(30));
  {
    Housekeeper housekeeper({.store = store.get(),
                             .health = &health,
                             .agents = &agents,
                             .interval = absl::Milliseconds(10)});
    v1::Hello hello;
    hello.set_version("1");
    hello.add_sites("shop");
    agents.Connected("web-1", hello, kNow + absl::Hours(1), kNow);
    EXPECT_TRUE(Eventually([&] { return store->ListAgents({})->agents_size() == 1; }));
    EXPECT_EQ(store->ListAgents({})->agents(0).state(), v1::Agent::STATE_CONNECTED);
    v1::Heartbeat heartbeat;
    heartbeat.mutable_coverage()->set_scanned_bytes(42);
    heartbeat.set_sample_ratio(0.25);
    agents.Heartbeat("web-1", heartbeat, kNow + absl::Seconds(1));
    agents.Disconnected("web-1", kNow + absl::Seconds(2));
    agents.Rejected("web-9", "claims to be 'web-1'", kNow);
  }
  const auto response = store->ListAgents({});
  ASSERT_EQ(response->agents_size(), 2);
  const v1::Agent& agent = response->agents(0);
  EXPECT_EQ(agent.state(), v1::Agent::STATE_SILENT);
  EXPECT_EQ(agent.coverage().scanned_bytes(), 42u);
  EXPECT_EQ(agent.sample_ratio(), 0.25);
  EXPECT_EQ(agent.sites(0), "shop");
  EXPECT_EQ(store::FromTimestamp(agent.first_seen()), kNow);
  EXPECT_EQ(store::FromTimestamp(agent.last_seen()), kNow + absl::Seconds(2));
  EXPECT_EQ(store::FromTimestamp(agent.certificate_expiry()), kNow + absl::Hours(1));
  EXPECT_EQ(response->agents(1).state(), v1::Agent::STATE_REJECTED);
  EXPECT_EQ(response->agents(1).rejection_reason(), "claims to be 'web-1'");
}

TEST(Housekeeper, DoesNotBlameTheStoreForAnAgentThatItCanNotHold) {
  testing::PostgresServer server;
  store::Options options;
  options.config.mutable_postgres()->set_conninfo(server.Conninfo("postgres"));
  testing::TempStore store(options);
  StoreHealth health;
  AgentRegistry agents(absl::Seconds(30));
  agents.Rejected("spiffe://example.org/\xff", "not known here", kNow);
  agents.Connected("web-1", v1::Hello(), std::nullopt, kNow);
  Housekeeper housekeeper({.store = store.get(),
                           .health = &health,
                           .agents = &agents,
                           .interval = absl::Milliseconds(10)});
  EXPECT_TRUE(Eventually([&] { return store->ListAgents({})->agents_size() == 1; }));
  EXPECT_TRUE(health.Get().ok()) << health.Get();
}

TEST(Housekeeper, FindsOutThatTheStoreIsGoneWhereNobodyWrites) {
  testing::PostgresServer server;
  store::Options options;
  options.config.mutable_postgres()->set_conninfo(server.Conninfo(server.MakeDatabase()));
  testing::TempStore store(options);
  StoreHealth health;
  AgentRegistry agents(absl::Seconds(30));
  Housekeeper housekeeper({.store = store.get(),
                           .health = &health,
                           .agents = &agents,
                           .interval = absl::Milliseconds(10),
                           .probe_interval = absl::Milliseconds(50)});
  absl::SleepFor(absl::Milliseconds(200));
  ASSERT_TRUE(health.Get().ok()) << health.Get();
  server.Stop(SIGINT);
  EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(health.Get()); })) << health.Get();
  server.Start();
  EXPECT_TRUE(Eventually([&] { return health.Get().ok(); })) << health.Get();
}

TEST(Housekeeper, FindsOutThatTheStoreWorksAgain) {
  testing::TempStore store;
  StoreHealth health;
  AgentRegistry agents(absl::Seconds(30));
  health.Set(absl::ResourceExhaustedError("disk full"));
  Housekeeper housekeeper({.store = store.get(),
                           .health = &health,
                           .agents = &agents,
                           .interval = absl::Milliseconds(10)});
  EXPECT_TRUE(Eventually([&] { return health.Get().ok(); }));
}

}  // namespace
}  // namespace skimwatch::ingest
