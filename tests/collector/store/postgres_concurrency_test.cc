#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "proto/audit/seal.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/support/daemon.h"

namespace skimwatch::store {
namespace {

using testing::CardFinding;

// Two collectors' stores on one database, each with a thread of its own.
class TwoStores : public ::testing::Test {
 protected:
  TwoStores() {
    for (const char* const name : {"one", "two"}) {
      Options options;
      options.config.mutable_postgres()->set_conninfo(server_.Conninfo("postgres"));
      options.collector = name;
      auto store = OpenPostgresStore(options);
      EXPECT_TRUE(store.ok()) << store.status();
      stores_.push_back(*std::move(store));
    }
  }

  // Runs `work` with each store and its number, at the same time.
  template <typename Work>
  void OnBoth(const Work& work) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < stores_.size(); ++i) {
      threads.emplace_back([&, i] { work(*stores_[i], i); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  testing::PostgresServer server_;
  std::vector<std::unique_ptr<Store>> stores_;
};

// What the committer does with a batch: drops what is committed, folds and keeps the rest.
absl::Status Commit(Store& store, const std::string& agent, std::vector<v1::Finding> findings,
                    uint64_t& stored) {
  uint64_t now_stored = 0;
  absl::Status status = store.Write([&](Transaction& tx) -> absl::Status {
    now_stored = 0;
    const absl::Time now = absl::Now();
    exposure::ExposureFolder folder({}, &tx, now);
    absl::StatusOr<uint64_t> committed = tx.CommittedSequence(agent, 1);
    if (!committed.ok()) return committed.status();
    for (const v1::Finding& finding : findings) {
      if (finding.sequence() <= *committed) continue;
      absl::StatusOr<uint64_t> exposure = folder.Add(finding, v1::FINDING_KIND_CARD_NUMBER, agent);
      if (!exposure.ok()) return exposure.status();
      absl::Status s = tx.InsertFinding(testing::Stored(finding, agent, 1, now, *exposure),
                                        v1::FINDING_KIND_CARD_NUMBER);
      if (!s.ok()) return s;
      ++now_stored;
    }
    if (findings.back().sequence() > *committed) {
      absl::Status s = tx.AdvanceCommittedSequence(agent, 1, findings.back().sequence());
      if (!s.ok()) return s;
    }
    return folder.Flush();
  });
  if (status.ok()) stored += now_stored;
  return status;
}

TEST_F(TwoStores, KeepAnAgentsFindingsOnceThoughBothGetThem) {
  constexpr uint64_t kBatches = 40;
  constexpr uint64_t kBatch = 50;
  uint64_t stored[2] = {};
  OnBoth([&](Store& store, size_t number) {
    for (uint64_t batch = 0; batch < kBatches; ++batch) {
      std::vector<v1::Finding> findings;
      for (uint64_t i = 1; i <= kBatch; ++i) {
        findings.push_back(CardFinding(batch * kBatch + i, {.card = i}));
      }
      const absl::Status status = Commit(store, "web-1", findings, stored[number]);
      ASSERT_TRUE(status.ok()) << status;
    }
  });
  EXPECT_EQ(stored[0] + stored[1], kBatches * kBatch);
  EXPECT_EQ(server_.Query("postgres", "SELECT count(*), count(DISTINCT sequence) FROM findings"),
            "2000|2000");
  EXPECT_EQ(*stores_[0]->CommittedSequence("web-1", 1), kBatches * kBatch);
  EXPECT_EQ(stores_[1]->Summarize()->finding_totals[0].findings, kBatches * kBatch);
}

TEST_F(TwoStores, KeepANewAgentsFindingsOnceThoughItMovesDuringItsFirstCommit) {
  const auto waiting = [&](const char* count) {
    return testing::WaitUntil(
        [&] {
          return server_.Query("postgres",
                               "SELECT count(*) FROM pg_stat_activity"
                               " WHERE usename = 'skimwatch' AND wait_event_type = 'Lock'") ==
                 count;
        },
        absl::Seconds(10));
  };
  std::atomic<bool> first_began = false;
  std::atomic<bool> second_waits = false;
  std::atomic<bool> second_read = false;
  std::atomic<bool> third_tries = false;
  std::thread first([&] {
    const absl::Status status = stores_[0]->Write([&](Transaction& tx) -> absl::Status {
      absl::Status s = tx.AdvanceCommittedSequence("web-1", 1, 100);
      first_began = true;
      EXPECT_TRUE(testing::WaitUntil([&] { return second_waits.load(); }));
      return s;
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  ASSERT_TRUE(testing::WaitUntil([&] { return first_began.load(); }));
  std::thread second([&] {
    const absl::Status status = stores_[1]->Write([&](Transaction& tx) -> absl::Status {
      EXPECT_EQ(*tx.CommittedSequence("web-1", 1), 100u);
      second_read = true;
      EXPECT_TRUE(testing::WaitUntil([&] { return third_tries.load(); }));
      EXPECT_TRUE(waiting("1"));
      return tx.AdvanceCommittedSequence("web-1", 1, 300);
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  EXPECT_TRUE(waiting("1"));
  second_waits = true;
  first.join();
  EXPECT_TRUE(testing::WaitUntil([&] { return second_read.load(); }));
  // What the first collector still had in its queue. It has something of a later order already, so
  // that it can't just wait for the agent.
  uint64_t committed = 0;
  const absl::Status status = stores_[0]->Write([&](Transaction& tx) -> absl::Status {
    if (absl::Status s = tx.GetSetting("probe").status(); !s.ok()) return s;
    third_tries = true;
    absl::StatusOr<uint64_t> read = tx.CommittedSequence("web-1", 1);
    if (read.ok()) committed = *read;
    return read.status();
  });
  second.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(committed, 300u);
}

TEST_F(TwoStores, RefuseAnAdvanceFromWhereTheStreamIsNotAnyMore) {
  ASSERT_TRUE(stores_[0]
                  ->Write([](Transaction& tx) { return tx.AdvanceCommittedSequence("a", 1, 10); })
                  .ok());
  const absl::Status status = stores_[0]->Write([&](Transaction& tx) -> absl::Status {
    EXPECT_EQ(*tx.CommittedSequence("a", 1), 10u);
    // Against all rules, without the agent's lock.
    server_.Query("postgres", "UPDATE streams SET committed_sequence = 30");
    return tx.AdvanceCommittedSequence("a", 1, 20);
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(*stores_[1]->CommittedSequence("a", 1), 30u);
}

TEST_F(TwoStores, FoldTheSameExposuresInAnyOrderToOneEachThatCountsAll) {
  constexpr int kRounds = 40;
  constexpr uint64_t kWays = 12;
  constexpr uint64_t kCards = 5;
  OnBoth([&](Store& store, size_t number) {
    const std::string agent = absl::StrCat("web-", number);
    std::mt19937 random(static_cast<unsigned>(number) + 1);
    std::vector<uint64_t> ways(kWays);
    for (uint64_t i = 0; i < kWays; ++i) ways[i] = i;
    uint64_t sequence = 0;
    uint64_t stored = 0;
    for (int round = 0; round < kRounds; ++round) {
      std::shuffle(ways.begin(), ways.end(), random);
      std::vector<v1::Finding> findings;
      for (const uint64_t way : ways) {
        findings.push_back(
            CardFinding(++sequence, {.card = number * 100 + static_cast<uint64_t>(round) % kCards,
                                     .path = absl::StrCat("/collect/", way)}));
      }
      const absl::Status status = Commit(store, agent, findings, stored);
      ASSERT_TRUE(status.ok()) << status;
    }
  });
  v1::ListExposuresRequest request;
  request.set_page_size(1000);
  const auto exposures = stores_[0]->ListExposures(request);
  ASSERT_TRUE(exposures.ok()) << exposures.status();
  ASSERT_EQ(exposures->exposures_size(), static_cast<int>(kWays));
  for (const v1::Exposure& exposure : exposures->exposures()) {
    EXPECT_EQ(exposure.findings(), 2u * kRounds);
    EXPECT_EQ(exposure.distinct_cards(), 2 * kCards);
    EXPECT_EQ(exposure.agents_size(), 2);
  }
  EXPECT_EQ(server_.Query("postgres", "SELECT sum(occurrences), count(*) FROM sightings"),
            absl::StrCat(2 * kRounds * kWays, "|", 2 * kCards * kWays));
  EXPECT_EQ(stores_[0]->Errors().write + stores_[1]->Errors().write, 0u);
}

TEST_F(TwoStores, ChainDecisionsAndCountPolicyVersionsTogether) {
  constexpr int kDecisions = 40;
  OnBoth([&](Store& store, size_t number) {
    for (int i = 0; i < kDecisions; ++i) {
      const absl::Status status = store.Write([&](Transaction& tx) -> absl::Status {
        absl::Status s = tx.AdvancePolicyVersion().status();
        if (!s.ok()) return s;
        return tx.RecordDecision({.at = absl::Now(),
                                  .who = absl::StrCat("operator-", number),
                                  .action = "exposure.close",
                                  .subject = absl::StrCat(i),
                                  .reason = "tried"});
      });
      ASSERT_TRUE(status.ok()) << status;
    }
  });
  v1::ListDecisionsRequest request;
  request.set_page_size(1000);
  const auto decisions = stores_[0]->ListDecisions(request);
  ASSERT_TRUE(decisions.ok()) << decisions.status();
  ASSERT_EQ(decisions->decisions_size(), 2 * kDecisions);
  std::string seal = audit::FirstSeal();
  uint64_t id = 0;
  for (const v1::Decision& decision : decisions->decisions()) {
    EXPECT_EQ(decision.id(), ++id);
    seal = audit::Seal(seal, decision);
    ASSERT_EQ(decision.seal(), seal) << decision.id();
  }
  absl::SleepFor(absl::Milliseconds(1100));  // the age that a version may have
  for (const auto& store : stores_) EXPECT_EQ(*store->PolicyVersion(), 2u * kDecisions);
}

TEST_F(TwoStores, SeeAPolicyOfEachOtherWithinItsBound) {
  EXPECT_EQ(*stores_[1]->PolicyVersion(), 0u);
  ASSERT_TRUE(
      stores_[0]->Write([](Transaction& tx) { return tx.AdvancePolicyVersion().status(); }).ok());
  EXPECT_EQ(*stores_[0]->PolicyVersion(), 1u);
  const absl::Time decided = absl::Now();
  while (*stores_[1]->PolicyVersion() != 1) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_LT(absl::Now() - decided, absl::Seconds(3));
}

TEST_F(TwoStores, TellAnAgentThatMovedFromOneThatLeft) {
  const auto put = [](Store& store, v1::Agent::State state) {
    return store.Write([&](Transaction& tx) {
      v1::Agent agent;
      agent.set_identity("web-1");
      agent.set_state(state);
      *agent.mutable_last_seen() = ToTimestamp(absl::Now());
      return tx.PutAgent(agent);
    });
  };
  const auto state = [&] { return stores_[0]->ListAgents({})->agents(0).state(); };
  ASSERT_TRUE(put(*stores_[0], v1::Agent::STATE_CONNECTED).ok());
  ASSERT_TRUE(put(*stores_[1], v1::Agent::STATE_CONNECTED).ok());
  // The first notices late that the agent is gone, or starts again.
  ASSERT_TRUE(put(*stores_[0], v1::Agent::STATE_SILENT).ok());
  EXPECT_EQ(state(), v1::Agent::STATE_CONNECTED);
  ASSERT_TRUE(stores_[0]->Write([](Transaction& tx) { return tx.DisconnectAllAgents(); }).ok());
  EXPECT_EQ(state(), v1::Agent::STATE_CONNECTED);
  ASSERT_TRUE(put(*stores_[1], v1::Agent::STATE_SILENT).ok());
  EXPECT_EQ(state(), v1::Agent::STATE_SILENT);
}

}  // namespace
}  // namespace skimwatch::store
