#include <signal.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/log_writer.h"
#include "tests/integration/support/small_disk.h"

namespace skimwatch::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kNeedsRoot[] = "needs the right to mount a small tmpfs";

std::string DroppedSeries(const std::string& severity) {
  return absl::StrCat("skimwatch_spool_dropped_total{severity=\"", severity, "\"}");
}

TEST(DiskFull, OfTheAgentDropsTheLeastSevereFirstCountsThemAndGoesOnWhenThereIsRoom) {
  Deployment deployment;
  SmallDisk disk(deployment.root() + "/disk", 2);
  if (!disk.mounted()) GTEST_SKIP() << kNeedsRoot;
  deployment.state_directory = disk.path() + "/state";
  // Cards in the one log are expected there, so of the least severity; in the other they are not.
  constexpr size_t kExpected = 2000;
  LogWriter expected(deployment.site_folder() + "/vault.log");
  LogWriter leaking(deployment.site_folder() + "/app.log", kExpected);
  v1::ExpectedFlow& flow = *deployment.collector_config.add_expected_flows();
  flow.set_name("vault");
  flow.set_file(expected.path());
  deployment.agent_yaml = absl::StrCat("sources: { log_files: [{ paths: [", expected.path(), ", ",
                                       leaking.path(), "], from: start }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());
  const pid_t pid = deployment.agent().pid();
  ASSERT_TRUE(WIFSIGNALED(deployment.StopCollector(SIGKILL)));

  expected.Write(kExpected);
  ASSERT_TRUE(testing::WaitUntil([&] {
    return deployment.AgentMetric("skimwatch_spool_appended_findings_total") >= kExpected;
  }));
  // Until there is no room even for what is most severe.
  EXPECT_TRUE(testing::WaitUntil([&] {
    leaking.Write(200);
    return deployment.AgentMetric(DroppedSeries("critical")) > 0;
  }));
  // All that was written has been read, and kept or counted.
  ASSERT_TRUE(testing::WaitUntil([&] {
    const std::string page = deployment.AgentGet("/metrics");
    return MetricOf(page, "skimwatch_log_lines_total") == leaking.written() &&
           MetricOf(page, "skimwatch_findings_queued") == 0 &&
           SumOf(page, "skimwatch_card_sightings_total") == leaking.written();
  }));
  std::string page = deployment.AgentGet("/metrics");
  EXPECT_GT(MetricOf(page, "skimwatch_spool_write_errors_total"), 0);
  EXPECT_GT(MetricOf(page, DroppedSeries("info")), 0);
  EXPECT_THAT(deployment.AgentGet("/readyz"), AllOf(HasSubstr(" 503 "), HasSubstr("wait in the")));
  EXPECT_THAT(deployment.agent().Log(), HasSubstr("No space left on device"));

  ASSERT_TRUE(disk.Resize(64));
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  leaking.Write(500);
  const size_t planted = leaking.written();
  ASSERT_TRUE(testing::WaitUntil([&] {
    page = deployment.AgentGet("/metrics");
    return SumOf(page, "skimwatch_card_sightings_total") == planted &&
           MetricOf(page, "skimwatch_findings_queued") == 0 &&
           MetricOf(page, "skimwatch_spool_pending_findings") == 0;
  })) << deployment.AgentGet("/readyz");
  EXPECT_EQ(deployment.agent().pid(), pid);
  EXPECT_TRUE(deployment.agent().IsRunning());

  std::map<size_t, StoredCard> cards = deployment.Cards(planted);
  size_t stored_expected = 0;
  for (const auto& [card, stored] : cards) {
    EXPECT_EQ(stored.occurrences, 1u) << "card " << card;
    if (card < kExpected) ++stored_expected;
  }
  // In = out: what is not stored was dropped, and counted by what it was.
  EXPECT_EQ(MetricOf(page, DroppedSeries("info")), kExpected - stored_expected);
  EXPECT_EQ(SumOf(page, "skimwatch_spool_dropped_total"), planted - cards.size());
  EXPECT_EQ(deployment.CollectorMetric("skimwatch_findings_lost_total"), planted - cards.size());
  // The collector shows it from the heartbeats.
  EXPECT_TRUE(testing::WaitUntil([&] {
    return MetricOf(deployment.collector().Get("/metrics"),
                    "skimwatch_agent_spool_dropped_total{agent=\"local\",severity=\"info\"}") ==
           kExpected - stored_expected;
  }));
  // Everything after the disk had room is there.
  for (size_t card = planted - 500; card < planted; ++card) EXPECT_EQ(cards.count(card), 1u);

  // Positions were kept all along: a restart repeats nothing.
  ASSERT_EQ(deployment.StopAgent(SIGTERM), 0);
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());
  leaking.Write(1);
  ASSERT_TRUE(
      testing::WaitUntil([&] { return deployment.Cards(leaking.written()).count(planted) == 1; }));
  ASSERT_EQ(deployment.StopAgent(SIGTERM), 0);
  const std::map<size_t, StoredCard> after = deployment.Cards(leaking.written());
  EXPECT_EQ(after.size(), cards.size() + 1);
  for (const auto& [card, stored] : after) EXPECT_EQ(stored.occurrences, 1u) << "card " << card;
  deployment.ExpectNoNumberKept(leaking.written());
}

TEST(DiskFull, OfTheAgentDoesNotKeepItFromStarting) {
  Deployment deployment;
  SmallDisk disk(deployment.root() + "/disk", 2);
  if (!disk.mounted()) GTEST_SKIP() << kNeedsRoot;
  deployment.state_directory = disk.path() + "/state";
  LogWriter log(deployment.site_folder() + "/app.log");
  deployment.agent_yaml =
      absl::StrCat("sources: { log_files: [{ paths: [", log.path(), "], from: start }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());
  ASSERT_TRUE(WIFSIGNALED(deployment.StopCollector(SIGKILL)));
  ASSERT_TRUE(testing::WaitUntil([&] {
    log.Write(200);
    return deployment.AgentMetric(DroppedSeries("critical")) > 0;
  }));
  ASSERT_TRUE(WIFSIGNALED(deployment.StopAgent(SIGKILL)));
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgent());
  // What the kill left unread is read again, from the position that was saved last.
  ASSERT_TRUE(disk.Resize(64));
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  const size_t before = log.written();
  log.Write(100);
  ASSERT_TRUE(testing::WaitUntil([&] {
    const std::map<size_t, StoredCard> cards = deployment.Cards(log.written());
    for (size_t card = before; card < log.written(); ++card) {
      if (cards.count(card) == 0) return false;
    }
    return true;
  })) << deployment.AgentGet("/readyz");
  ASSERT_EQ(deployment.StopAgent(SIGTERM), 0);
  deployment.ExpectNoNumberKept(log.written());
}

TEST(DiskFull, OfTheCollectorLeavesFindingsInTheSpoolUntilThereIsRoom) {
  Deployment deployment;
  SmallDisk disk(deployment.root() + "/disk", 3);
  if (!disk.mounted()) GTEST_SKIP() << kNeedsRoot;
  deployment.collector_config.mutable_store()->set_path(disk.path() + "/store.db");
  LogWriter log(deployment.site_folder() + "/app.log");
  deployment.agent_yaml =
      absl::StrCat("sources: { log_files: [{ paths: [", log.path(), "], from: start }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());
  EXPECT_THAT(deployment.collector().Get("/readyz"), HasSubstr(" 200 "));
  ASSERT_TRUE(testing::WaitUntil([&] {
    log.Write(200);
    return deployment.collector().Get("/readyz").find(" 503 ") != std::string::npos;
  }));
  EXPECT_THAT(deployment.collector().Get("/readyz"), HasSubstr("full"));
  EXPECT_GT(deployment.CollectorMetric("skimwatch_store_errors_total{operation=\"write\"}"), 0);
  log.Write(1000);
  // The agent has read all of it, keeps it, and says why.
  ASSERT_TRUE(testing::WaitUntil([&] {
    const std::string page = deployment.AgentGet("/metrics");
    return MetricOf(page, "skimwatch_spool_appended_findings_total") == log.written() &&
           MetricOf(page, "skimwatch_spool_pending_findings") >= 1000;
  }));
  EXPECT_TRUE(testing::WaitUntil([&] {
    const std::string ready = deployment.AgentGet("/readyz");
    return ready.find(" 503 ") != std::string::npos &&
           ready.find("UNAVAILABLE") != std::string::npos;
  })) << deployment.AgentGet("/readyz");
  EXPECT_EQ(SumOf(deployment.AgentGet("/metrics"), "skimwatch_spool_dropped_total"), 0);

  ASSERT_TRUE(disk.Resize(64));
  ASSERT_TRUE(deployment.WaitForCards(log.written()));
  EXPECT_THAT(deployment.collector().Get("/readyz"), HasSubstr(" 200 "));
  ASSERT_EQ(deployment.StopAgent(SIGTERM), 0);
  deployment.ExpectEachCard(log.written(), 1);
  EXPECT_EQ(deployment.CollectorMetric("skimwatch_findings_lost_total"), 0);
  deployment.ExpectNoNumberKept(log.written());
  EXPECT_THAT(LeaksBelow(disk.path(), log.written()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace skimwatch::integration
