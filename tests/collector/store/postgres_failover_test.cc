#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/support/daemon.h"

namespace skimwatch::store {
namespace {

using testing::PostgresServer;

// Sends batches as an agent does: what is not acknowledged is sent again, from where the store says
// that it ends.
class Sender {
 public:
  Sender(Store* store, std::string agent)
      : store_(store), agent_(std::move(agent)), thread_([this] { Run(); }) {}
  ~Sender() { Stop(); }

  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t failures() const { return failures_; }

 private:
  void Run() {
    while (!stopping_) {
      uint64_t last = 0;
      const absl::Status status = store_->Write([&](Transaction& tx) -> absl::Status {
        absl::StatusOr<uint64_t> committed = tx.CommittedSequence(agent_, 1);
        if (!committed.ok()) return committed.status();
        // Nothing that was acknowledged is missing.
        EXPECT_GE(*committed, acknowledged_);
        last = *committed + 20;
        for (uint64_t sequence = *committed + 1; sequence <= last; ++sequence) {
          absl::Status s = tx.InsertFinding(
              testing::Stored(testing::CardFinding(sequence), agent_, 1, absl::Now()),
              v1::FINDING_KIND_CARD_NUMBER);
          if (!s.ok()) return s;
        }
        return tx.AdvanceCommittedSequence(agent_, 1, last);
      });
      if (status.ok()) {
        acknowledged_ = last;
      } else {
        EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
        ++failures_;
        absl::SleepFor(absl::Milliseconds(20));
      }
    }
  }

  Store* const store_;
  const std::string agent_;
  std::atomic<uint64_t> acknowledged_ = 0;
  std::atomic<uint64_t> failures_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TEST(PostgresFailover, LosesNothingAcknowledgedAndKeepsNothingTwice) {
  PostgresServer primary;
  PostgresServer standby({.primary = &primary});
  primary.Query("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
  primary.Query("postgres", "SELECT pg_reload_conf()");
  ASSERT_TRUE(testing::WaitUntil([&] {
    return primary.Query("postgres", "SELECT sync_state FROM pg_stat_replication") == "sync";
  }));
  Options options;
  options.config.mutable_postgres()->set_conninfo(absl::StrCat(
      "host=", primary.host(), ",", standby.host(), " user=skimwatch dbname=postgres"));
  // Two collectors, with an agent each.
  std::vector<std::unique_ptr<Store>> stores;
  std::vector<std::unique_ptr<Sender>> senders;
  for (int i = 0; i < 2; ++i) {
    options.collector = absl::StrCat("collector-", i);
    auto store = OpenPostgresStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    stores.push_back(*std::move(store));
    senders.push_back(std::make_unique<Sender>(stores.back().get(), absl::StrCat("web-", i)));
  }
  const auto both_beyond = [&](uint64_t least) {
    return testing::WaitUntil(
        [&] { return senders[0]->acknowledged() >= least && senders[1]->acknowledged() >= least; });
  };
  ASSERT_TRUE(both_beyond(400));
  primary.Stop(SIGKILL);
  ASSERT_TRUE(
      testing::WaitUntil([&] { return senders[0]->failures() > 0 && senders[1]->failures() > 0; }));
  const uint64_t before = std::max(senders[0]->acknowledged(), senders[1]->acknowledged());
  const absl::Time promoted = absl::Now();
  standby.Promote();
  ASSERT_TRUE(both_beyond(before + 400));
  EXPECT_LT(absl::Now() - promoted, absl::Seconds(20));
  for (int i = 0; i < 2; ++i) {
    senders[static_cast<size_t>(i)]->Stop();
    const uint64_t acknowledged = senders[static_cast<size_t>(i)]->acknowledged();
    const std::string stored = standby.Query(
        "postgres",
        absl::StrCat("SELECT count(*), count(DISTINCT sequence), max(sequence) FROM findings f"
                     " JOIN streams s ON s.id = f.stream_id JOIN agents a ON a.id = s.agent_id"
                     " WHERE identity = 'web-",
                     i, "'"));
    // A last commit may be there whose acknowledgement was lost.
    const std::string more = absl::StrCat(acknowledged + 20);
    const std::string all = absl::StrCat(acknowledged);
    EXPECT_TRUE(stored == absl::StrCat(all, "|", all, "|", all) ||
                stored == absl::StrCat(more, "|", more, "|", more))
        << stored << " of " << acknowledged;
  }
}

TEST(PostgresFailover, ACommitThatDidNotWaitForItsStandbyIsNotAcknowledged) {
  PostgresServer server;
  Options options;
  options.config.mutable_postgres()->set_conninfo(server.Conninfo("postgres"));
  auto store = OpenPostgresStore(options);
  ASSERT_TRUE(store.ok()) << store.status();
  // A standby that is not there.
  server.Query("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'absent'");
  server.Query("postgres", "SELECT pg_reload_conf()");
  const std::string waiting =
      "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  // The server takes it up a while later, and does not say when: once another's commit waits.
  EXPECT_TRUE(testing::WaitUntil([&] {
    std::thread other(
        [&] { server.Query("postgres", "SELECT pg_logical_emit_message(true, 'test', '')"); });
    const bool waits = testing::WaitUntil([&] { return server.Query("postgres", waiting) == "1"; },
                                          absl::Milliseconds(200));
    other.join();
    return waits;
  }));
  absl::Status status;
  std::thread writer([&] {
    status =
        (*store)->Write([](Transaction& tx) { return tx.AdvanceCommittedSequence("a", 1, 10); });
  });
  // An administrator loses patience.
  EXPECT_TRUE(testing::WaitUntil([&] { return server.Query("postgres", waiting) == "1"; }));
  writer.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;

  // Nor by way of what an agent is told when it connects, though everybody sees the commit.
  EXPECT_EQ(server.Query("postgres", "SELECT committed_sequence FROM streams"), "10");
  absl::StatusOr<uint64_t> committed;
  std::thread welcome([&] { committed = (*store)->CommittedSequence("a", 1); });
  EXPECT_TRUE(testing::WaitUntil([&] { return server.Query("postgres", waiting) == "1"; }));
  welcome.join();
  EXPECT_EQ(committed.status().code(), absl::StatusCode::kUnavailable) << committed.status();

  server.Query("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
  server.Query("postgres", "SELECT pg_reload_conf()");
  committed = (*store)->CommittedSequence("a", 1);
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(*committed, 10u);
}

}  // namespace
}  // namespace skimwatch::store
