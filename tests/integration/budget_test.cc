#include <linux/capability.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/web_server.h"
#include "tests/support/daemon.h"

// What the agent may do and use of its host.
namespace skimwatch::integration {
namespace {

using ::testing::HasSubstr;

class Budget : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MayCapture()) GTEST_SKIP() << "needs the right to capture packets (CAP_NET_RAW)";
    ASSERT_NO_FATAL_FAILURE(web_.Start());
    deployment_.service_ports = {web_.shop_port()};
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }

  std::string CaptureYaml() const {
    return absl::StrCat("packet_captures: [{ interface: lo, filter: ", web_.Filter(), " }]");
  }
  std::string LogYaml() const {
    return absl::StrCat("log_files: [{ paths: [", deployment_.site_folder(), "/*.log] }]");
  }

  // All that the agent's threads may still do: the union of their sets.
  uint64_t Capabilities() {
    uint64_t all = 0;
    int threads = 0;
    const std::string tasks = absl::StrCat("/proc/", deployment_.agent().pid(), "/task");
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::ifstream status(task.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("CapPrm:") || line.starts_with("CapEff:") ||
            line.starts_with("CapInh:") || line.starts_with("CapAmb:")) {
          all |= strtoull(line.c_str() + 7, nullptr, 16);
        }
        if (line.starts_with("NoNewPrivs:")) {
          EXPECT_EQ(line.back(), '1');
        }
      }
      ++threads;
    }
    EXPECT_GT(threads, 3);
    return all;
  }

  Deployment deployment_;
  WebServer web_{deployment_.site_folder()};
};

TEST_F(Budget, CaptureKeepsNoRightOnceItsSocketsAreOpen) {
  deployment_.agent_yaml = absl::StrCat("sources:\n  ", CaptureYaml(), "\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  EXPECT_EQ(Capabilities(), 0U);
  // And works.
  Exchange(web_.outside_port(), Post("collect.example", "/form", "card=" + CardNumber(0)));
  EXPECT_TRUE(deployment_.WaitForCards(1));
}

TEST_F(Budget, LogsKeepTheRightToReadFilesThatComeLater) {
  deployment_.agent_yaml = absl::StrCat("sources:\n  ", CaptureYaml(), "\n  ", LogYaml(), "\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  EXPECT_EQ(Capabilities() & ~(uint64_t{1} << CAP_DAC_READ_SEARCH), 0U);
  // Of another user, which only the capability lets it read.
  const std::string log = deployment_.site_folder() + "/later.log";
  std::ofstream(log) << "started\n";
  ASSERT_EQ(std::system(absl::StrCat("chown 65534:65534 ", log, " && chmod 600 ", log).c_str()), 0);
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return SumOf(deployment_.AgentGet("/metrics"), "skimwatch_log_files") >= 1; }));
  std::ofstream(log, std::ios::app) << "card " << CardNumber(0) << "\n";
  EXPECT_TRUE(deployment_.WaitForCards(1));
}

TEST_F(Budget, ProbesKeepWhatNewProgramsNeed) {
  deployment_.agent_yaml =
      absl::StrCat("sources:\n  ", CaptureYaml(), "\n  tls_probes: [{ processes: [nothing] }]\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  uint64_t may_keep = 0;
  for (const int capability : {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
                               CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN}) {
    may_keep |= uint64_t{1} << capability;
  }
  const uint64_t kept = Capabilities();
  EXPECT_EQ(kept & ~may_keep, 0U);
  EXPECT_NE(kept & (uint64_t{1} << CAP_DAC_READ_SEARCH), 0U);
}

TEST_F(Budget, HoldsTheProcessorAndScansAllAgainAfterTheLoad) {
  deployment_.agent_yaml = absl::StrCat("sources:\n  ", CaptureYaml(),
                                        "\nbudget: { cpu_percent: 5 }\n"
                                        "scan: { fold_window_seconds: 1 }\n");
  // Text that has the scanner work, and a card.
  std::string page = "<p>card number: " + CardNumber(0) + "</p>\n";
  for (int i = 0; page.size() < 400'000; ++i) {
    absl::StrAppend(&page, "{\"id\": ", i * 7919, ", \"price\": ", i % 100, "}\n");
  }
  std::ofstream(web_.html() + "/list.html") << page;
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  const auto share = [&] { return deployment_.AgentMetric("skimwatch_sample_ratio"); };
  EXPECT_EQ(share(), 1);

  std::atomic<bool> stop{false};
  std::atomic<uint64_t> requests{0};
  std::thread load([&] {
    while (!stop) {
      Exchange(web_.shop_port(), Get("shop.example", "/list.html"));
      ++requests;
      absl::SleepFor(absl::Milliseconds(2));
    }
  });
  const auto cpu = [&] { return deployment_.AgentMetric("process_cpu_seconds_total"); };
  absl::SleepFor(absl::Seconds(12));
  const double cpu_before = cpu();
  const absl::Time before = absl::Now();
  double least = share();
  for (int i = 0; i < 10; ++i) {
    absl::SleepFor(absl::Seconds(1));
    least = std::min(least, share());
  }
  const double cores = (cpu() - cpu_before) / absl::ToDoubleSeconds(absl::Now() - before);
  stop = true;
  load.join();
  std::cout << "held at " << 100 * cores << " % of a core, share " << least << ", " << requests
            << " requests\n";
  EXPECT_LT(least, 1);
  EXPECT_LE(cores, 0.065);
  // Asked once a second: a look at /metrics costs processor time, too.
  int seconds = 0;
  for (; share() < 1 && seconds < 60; ++seconds) absl::SleepFor(absl::Seconds(1));
  EXPECT_LT(seconds, 60);

  // What was seen of it is told as the estimate that it is.
  EXPECT_TRUE(testing::WaitUntil([&] { return !deployment_.Exposures().empty(); }));
  deployment_.StopAgent(SIGTERM);
  const std::vector<v1::Exposure> exposures = deployment_.Exposures();
  ASSERT_EQ(exposures.size(), 1U);
  EXPECT_TRUE(exposures[0].sampled());
  EXPECT_LT(exposures[0].occurrences(), requests);
  EXPECT_GT(exposures[0].estimated_occurrences_variance(), 0);
  // Five standard errors, and what the first seconds were without sampling.
  EXPECT_NEAR(exposures[0].estimated_occurrences(), static_cast<double>(requests),
              5 * std::sqrt(exposures[0].estimated_occurrences_variance()));
  EXPECT_EQ(exposures[0].distinct_cards(), 1U);
  const testing::Result shown =
      deployment_.Ctl({"exposures", "show", std::to_string(exposures[0].id())});
  EXPECT_THAT(shown.out, HasSubstr("(sampled)"));
  EXPECT_THAT(shown.out, HasSubstr(" \u00b1 "));
  std::cout << shown.out;
}

}  // namespace
}  // namespace skimwatch::integration
