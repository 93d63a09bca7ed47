#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
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

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Ends the agent with a signal; a clean end and a kill leave different spools.
class SpoolDamage : public ::testing::TestWithParam<int> {};

std::vector<std::string> FilesWithSuffix(const std::string& folder, const std::string& suffix) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path();
    if (entry.is_regular_file() && path.size() > suffix.size() &&
        path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0) {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void Flip(const std::string& path, uint64_t offset, size_t bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::string content(bytes, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  ASSERT_TRUE(file.read(content.data(), static_cast<std::streamsize>(bytes)));
  for (char& c : content) c = static_cast<char>(~c);
  file.seekp(static_cast<std::streamoff>(offset));
  ASSERT_TRUE(file.write(content.data(), static_cast<std::streamsize>(bytes)));
}

TEST_P(SpoolDamage, IsSetAsideCountedNamedAndToldAndTheRestArrives) {
  Deployment deployment;
  LogWriter log(deployment.site_folder() + "/app.log");
  // Segments of 64 KiB.
  deployment.agent_yaml = absl::StrCat("sources: { log_files: [{ paths: [", log.path(),
                                       "], from: start }] }\nspool: { size_mib: 1 }\n");
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());
  ASSERT_TRUE(WIFSIGNALED(deployment.StopCollector(SIGKILL)));
  // In groups that are smaller than a segment.
  constexpr size_t kCards = 1500;
  while (log.written() < kCards) {
    log.Write(50);
    ASSERT_TRUE(testing::WaitUntil([&] {
      return deployment.AgentMetric("skimwatch_spool_appended_findings_total") == log.written();
    }));
  }
  const std::string positions = deployment.state_directory + "/log-positions-1";
  ASSERT_TRUE(testing::WaitUntil([&] {
    return deployment.AgentMetric("skimwatch_spool_appended_findings_total") == kCards &&
           testing::ReadFile(positions).find(
               absl::StrCat("offset: ", kCards * LogWriter::kLineBytes)) != std::string::npos;
  }));
  deployment.StopAgent(GetParam());

  const std::string spool = deployment.state_directory + "/spool";
  const std::vector<std::string> segments = FilesWithSuffix(spool, ".segment");
  ASSERT_GE(segments.size(), 5u);
  // A record or two of one, nothing but the header of another, and all of a third.
  Flip(segments[1], std::filesystem::file_size(segments[1]) / 2, 40);
  Flip(segments[2], 0, 8);
  Flip(segments[3], 0, std::filesystem::file_size(segments[3]));

  ASSERT_NO_FATAL_FAILURE(deployment.StartAgent());
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  ASSERT_TRUE(testing::WaitUntil([&] {
    return deployment.AgentIsReady() &&
           deployment.AgentMetric("skimwatch_spool_pending_findings") == 0;
  })) << deployment.AgentGet("/readyz");
  const std::map<size_t, StoredCard> cards = deployment.Cards(kCards);
  const size_t lost = kCards - cards.size();
  // What stands in the first two is found again behind the damage.
  const size_t a_segment = kCards / segments.size();
  EXPECT_GT(lost, a_segment / 2);
  EXPECT_LT(lost, a_segment * 2);
  for (const auto& [card, stored] : cards) EXPECT_EQ(stored.occurrences, 1u) << "card " << card;

  const std::string page = deployment.AgentGet("/metrics");
  EXPECT_EQ(MetricOf(page, "skimwatch_spool_quarantined_segments_total"), 3);
  EXPECT_EQ(SumOf(page, "skimwatch_spool_dropped_total"), lost);
  EXPECT_EQ(deployment.CollectorMetric("skimwatch_findings_lost_total"), lost);
  EXPECT_THAT(FilesWithSuffix(spool + "/quarantine", ""), SizeIs(3));
  const std::string agent_log = deployment.agent().Log();
  for (const size_t damaged : {1, 2, 3}) {
    EXPECT_THAT(agent_log, HasSubstr(std::filesystem::path(segments[damaged]).filename().string()));
  }
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return deployment.Agents().at(0).spool().quarantined_segments() == 3; }));
  // And it goes on.
  log.Write(10);
  ASSERT_TRUE(testing::WaitUntil(
      [&] { return deployment.Cards(log.written()).size() == log.written() - lost; }));
  ASSERT_EQ(deployment.StopAgent(SIGTERM), 0);
  deployment.ExpectNoNumberKept(log.written());
}

INSTANTIATE_TEST_SUITE_P(AfterEnd, SpoolDamage, ::testing::Values(SIGTERM, SIGKILL),
                         [](const auto& end) { return end.param == SIGTERM ? "Clean" : "Killed"; });

}  // namespace
}  // namespace skimwatch::integration
