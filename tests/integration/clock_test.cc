#include "absl/time/clock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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
#include "tests/proto/tls/certificates.h"

namespace skimwatch::integration {
namespace {

constexpr char kLibrary[] = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

// CLOCK_REALTIME of the agent alone is stepped while it runs, by libfaketime.
class Clock : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer does not go with a preloaded library";
#endif
    if (access(kLibrary, R_OK) != 0) GTEST_SKIP() << "needs Debian's package libfaketime";
    Set("+0");
    deployment_.agent_environment = {std::string("LD_PRELOAD=") + kLibrary,
                                     "FAKETIME_TIMESTAMP_FILE=" + step_file_, "FAKETIME_NO_CACHE=1",
                                     "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"};
    deployment_.agent_yaml =
        absl::StrCat("sources: { log_files: [{ paths: [", log_.path(),
                     "], from: start }] }\nscan: { fold_window_seconds: 1 }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    log_.Write(20);
    ASSERT_TRUE(deployment_.WaitForCards(20));
  }

  void Set(const std::string& offset) { testing::ReplaceFile(step_file_, offset + "\n"); }

  // How far the agent's clock was from the test's when it saw a card.
  absl::Duration OffsetOf(const StoredCard& card) {
    const auto& seen = card.findings.at(0).finding().first_seen();
    return absl::FromUnixSeconds(seen.seconds()) - absl::Now();
  }

  Deployment deployment_;
  const std::string step_file_ = deployment_.root() + "/clock";
  LogWriter log_{deployment_.site_folder() + "/app.log"};
};

TEST_F(Clock, SetBackByAnHourHoldsNothingUp) {
  Set("-1h");
  // A repeat, whose window began before the step, and new cards.
  LogWriter(log_.path()).Write(1);
  log_.Write(20);
  ASSERT_TRUE(deployment_.WaitForCards(40, absl::Seconds(10)));
  ASSERT_TRUE(testing::WaitUntil([&] { return deployment_.Cards(40)[0].occurrences == 2; },
                                 absl::Seconds(10)));
  EXPECT_NEAR(absl::ToDoubleMinutes(OffsetOf(deployment_.Cards(40)[39])), -60, 2);

  // Nor when it is to connect again, and the step comes in a wait.
  ASSERT_TRUE(WIFSIGNALED(deployment_.StopCollector(SIGKILL)));
  log_.Write(20);
  ASSERT_TRUE(testing::WaitUntil(
      [&] { return deployment_.AgentMetric("skimwatch_uplink_connection_failures_total") >= 2; }));
  Set("-2h");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  ASSERT_TRUE(deployment_.WaitForCards(60, absl::Seconds(10)));
  // Heartbeats go on, on the stream that there is.
  const auto heard_of = [&] { return deployment_.Agents().at(0).last_seen().seconds(); };
  const int64_t heard_before = heard_of();
  const double before = deployment_.AgentMetric("skimwatch_uplink_connections_total");
  log_.Write(1);
  ASSERT_TRUE(deployment_.WaitForCards(61, absl::Seconds(10)));
  EXPECT_TRUE(testing::WaitUntil([&] { return heard_of() > heard_before + 1; }));
  EXPECT_EQ(deployment_.AgentMetric("skimwatch_uplink_connections_total"), before);

  // Positions are saved on, and a restart repeats nothing.
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  log_.Write(1);
  ASSERT_TRUE(deployment_.WaitForCards(62, absl::Seconds(10)));
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  for (const auto& [card, stored] : deployment_.Cards(62)) {
    EXPECT_EQ(stored.occurrences, card == 0 ? 2u : 1u) << "card " << card;
  }
  deployment_.ExpectNoNumberKept(62);
}

TEST_F(Clock, SetForwardByADayHoldsNothingUp) {
  Set("+1d");
  log_.Write(20);
  ASSERT_TRUE(deployment_.WaitForCards(40, absl::Seconds(10)));
  ASSERT_TRUE(WIFSIGNALED(deployment_.StopCollector(SIGKILL)));
  log_.Write(20);
  ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  ASSERT_TRUE(deployment_.WaitForCards(60, absl::Seconds(10)));
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  deployment_.ExpectEachCard(60, 1);
  deployment_.ExpectNoNumberKept(60);
}

}  // namespace
}  // namespace skimwatch::integration
