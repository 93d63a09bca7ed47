#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/log_writer.h"

namespace skimwatch::integration {
namespace {

class Killed : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    // A file that is there at the first start is read from here, so no line is missed.
    deployment_.agent_yaml =
        absl::StrCat("sources: { log_files: [{ paths: [", log_.path(), "], from: start }] }\n");
  }

  // How many lines the position covers that the agent saved last.
  size_t SavedCards() const {
    const std::string state = testing::ReadFile(deployment_.state_directory + "/log-positions-1");
    const std::string field = "offset: ";
    const size_t at = state.find(field);
    size_t offset = 0;
    if (at != std::string::npos) offset = std::stoul(state.substr(at + field.size()));
    return offset / LogWriter::kLineBytes;
  }

  Deployment deployment_;
  LogWriter log_{deployment_.site_folder() + "/app.log"};
};

TEST_F(Killed, CollectorManyTimesWhileAnAgentStreamsAndEachCardIsStoredOnce) {
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  constexpr int kKills = 12;
  for (int kill = 0; kill < kKills; ++kill) {
    // Some arrive before the kill, some during it, some while nobody is there.
    const double before =
        SumOf(deployment_.collector().Get("/metrics"), "skimwatch_findings_total");
    for (int burst = 0; burst < 5; ++burst) log_.Write(100);
    ASSERT_TRUE(testing::WaitUntil([&] {
      return SumOf(deployment_.collector().Get("/metrics"), "skimwatch_findings_total") > before;
    })) << deployment_.AgentGet("/readyz");
    log_.Write(100);
    ASSERT_TRUE(WIFSIGNALED(deployment_.StopCollector(SIGKILL)));
    log_.Write(100);
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }
  ASSERT_TRUE(deployment_.WaitForCards(log_.written()));
  const std::string page = deployment_.AgentGet("/metrics");
  EXPECT_GE(MetricOf(page, "skimwatch_uplink_connections_total"), kKills);
  EXPECT_EQ(SumOf(page, "skimwatch_spool_dropped_total"), 0);
  EXPECT_EQ(MetricOf(page, "skimwatch_spool_appended_findings_total"), log_.written());
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return deployment_.AgentMetric("skimwatch_spool_pending_findings") == 0; }));
  deployment_.ExpectEachCard(log_.written(), 1);
  EXPECT_EQ(deployment_.CollectorMetric("skimwatch_findings_lost_total"), 0);
  deployment_.ExpectNoNumberKept(log_.written());
}

// Positions are saved after the lines before them are durable in the spool, so a kill repeats the
// lines since the last save, and never loses one (docs/spool-format.md, LogTail).
TEST_F(Killed, AgentManyTimesWhileItFollowsALogAndNoCardIsLost) {
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  constexpr int kKills = 12;
  // By kill: the cards that the next run may read again.
  struct Repeated {
    size_t first = 0;
    size_t end = 0;
  };
  std::vector<Repeated> repeated;
  for (int kill = 0; kill < kKills; ++kill) {
    const std::string series = "skimwatch_spool_appended_findings_total";
    // At a different moment of reading, appending and saving each time.
    log_.Write(400);
    const double wanted = 1 + 40.0 * kill;
    ASSERT_TRUE(testing::WaitUntil([&] { return deployment_.AgentMetric(series) >= wanted; }));
    log_.Write(50);
    ASSERT_TRUE(WIFSIGNALED(deployment_.StopAgent(SIGKILL)));
    repeated.push_back({.first = SavedCards(), .end = log_.written()});
    log_.Write(50);
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgent());
  }
  ASSERT_TRUE(deployment_.WaitForCards(log_.written()));
  // A clean end: what is repeated has been delivered too.
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(log_.written());
  ASSERT_EQ(cards.size(), log_.written());
  uint64_t occurrences = 0;
  for (const auto& [card, stored] : cards) {
    // Once more a kill, and only behind the position that was saved then.
    const auto times = std::count_if(
        repeated.begin(), repeated.end(),
        [index = card](const Repeated& kill) { return kill.first <= index && index < kill.end; });
    EXPECT_GE(stored.occurrences, 1u);
    EXPECT_LE(stored.occurrences, 1u + static_cast<uint64_t>(times)) << "card " << card;
    occurrences += stored.occurrences;
  }
  EXPECT_EQ(deployment_.CollectorMetric("skimwatch_findings_lost_total"), 0);

  // After a clean end nothing is read again.
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  EXPECT_EQ(deployment_.AgentMetric("skimwatch_spool_quarantined_segments_total"), 0);
  log_.Write(10);
  ASSERT_TRUE(deployment_.WaitForCards(log_.written()));
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  uint64_t after = 0;
  for (const auto& [card, stored] : deployment_.Cards(log_.written())) after += stored.occurrences;
  EXPECT_EQ(after, occurrences + 10);
  deployment_.ExpectNoNumberKept(log_.written());
}

TEST_F(Killed, BothAtOnceAndNoCardIsLost) {
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  for (int kill = 0; kill < 5; ++kill) {
    log_.Write(300);
    ASSERT_TRUE(testing::WaitUntil(
        [&] { return deployment_.AgentMetric("skimwatch_spool_appended_findings_total") > 50; }));
    ASSERT_TRUE(WIFSIGNALED(deployment_.StopCollector(SIGKILL)));
    ASSERT_TRUE(WIFSIGNALED(deployment_.StopAgent(SIGKILL)));
    log_.Write(10);
    // An agent that starts while there is no collector has the key of its last run.
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgent());
    ASSERT_TRUE(testing::WaitUntil(
        [&] { return deployment_.AgentMetric("skimwatch_spool_appended_findings_total") >= 10; }));
    EXPECT_EQ(deployment_.AgentMetric("skimwatch_findings_without_fingerprint_total"), 0);
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }
  ASSERT_TRUE(deployment_.WaitForCards(log_.written()));
  EXPECT_EQ(deployment_.CollectorMetric("skimwatch_findings_lost_total"), 0);
  deployment_.ExpectNoNumberKept(log_.written());
}

}  // namespace
}  // namespace skimwatch::integration
