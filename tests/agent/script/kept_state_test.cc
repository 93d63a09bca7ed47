#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/storage/checked_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::MonitorFixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class KeptStateTest : public MonitorFixture {
 protected:
  KeptStateTest() { spdlog::set_level(spdlog::level::off); }
  std::string StateFile() const {
    for (const auto& entry : std::filesystem::directory_iterator(state_.path())) {
      if (entry.path().extension() == ".root") return entry.path();
    }
    return "";
  }
};

TEST_F(KeptStateTest, RestartSaysNothingOfWhatIsAsItWas) {
  root_.Write("a.js", "a");
  root_.Write("p.html", "<script>x()</script>");
  Start();
  monitor_.reset();
  Start();
  EXPECT_EQ(sink_.size(), 2u);
  Await([](const Stats& stats) { return stats.scripts == 2; });
}

TEST_F(KeptStateTest, ChangesWhileTheAgentWasAwayAreFoundAtTheStart) {
  for (const char* name : {"same.js", "changed.js", "removed.js"}) root_.Write(name, name);
  Start();
  monitor_.reset();
  root_.Write("changed.js", "fetch('https://evil.example/')");
  root_.Remove("removed.js");
  root_.Write("added.js", "new");
  Start();
  EXPECT_THAT(sink_.Said(3),
              UnorderedElementsAre("CHANGED changed.js", "REMOVED removed.js", "ADDED added.js"));
  EXPECT_THAT(sink_.Last("changed.js").change.diff(), HasSubstr("+fetch('https://evil.example/')"));
}

TEST_F(KeptStateTest, DamagedStateIsSetAsideAndTheRootProposedAnew) {
  root_.Write("a.js", "a");
  Start();
  monitor_.reset();
  const std::string file = StateFile();
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED a.js", "PROPOSED a.js"));
  EXPECT_EQ(monitor_->GetStats().states_set_aside, 1u);
  EXPECT_THAT(monitor_->GetStats().last_error, HasSubstr("is damaged"));
  EXPECT_TRUE(std::filesystem::exists(file + ".damaged"));
}

TEST_F(KeptStateTest, WiderSelectionIsProposedAndNarrowerIsForgotten) {
  root_.Write("a.js", "a");
  root_.Write("b.txt", "b");
  Start();
  monitor_.reset();
  root().add_scripts("*.txt");
  Start();
  EXPECT_THAT(sink_.Said(1), ElementsAre("PROPOSED b.txt"));
  // From here on it is watched like all others.
  root_.Write("c.txt", "c");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(2), ElementsAre("ADDED c.txt"));
  monitor_.reset();
  root().add_exclude("c.txt");
  Start();
  EXPECT_EQ(sink_.size(), 3u);
  Await([](const Stats& stats) { return stats.scripts == 2; });
}

TEST_F(KeptStateTest, HoldsNoCardNumber) {
  root_.Write("a.js", "var pan = '4111111111111111';");
  Start();
  root_.Write("a.js", "var pan = '4111111111111111'; send(pan);");
  ASSERT_TRUE(sink_.WaitForSize(2));
  AwaitQuiet();
  monitor_.reset();
  EXPECT_THAT(sink_.Last("a.js").change.diff(), Not(HasSubstr("4111")));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(state_.path())) {
    if (!entry.is_regular_file()) continue;
    const auto content = storage::ReadChecked(entry.path(), 1 << 20);
    if (!content.ok()) continue;
    EXPECT_THAT(*content, Not(HasSubstr("41111111"))) << entry.path();
  }
}

TEST_F(KeptStateTest, EvictedContentCostsTheDifferenceOnly) {
  options_.versions_bytes_max = 1;
  root_.Write("a.js", "fetch('/old')");
  Start();
  root_.Write("a.js", "fetch('/new')");
  ASSERT_TRUE(sink_.WaitForSize(2));
  const auto change = sink_.Last("a.js").change;
  EXPECT_EQ(change.change(), v1::ScriptChange::CHANGE_CHANGED);
  EXPECT_THAT(change.diff(), HasSubstr("not kept"));
  // Nothing is known of the old version, so everything may be new.
  EXPECT_EQ(change.gained_facts_size(), change.facts_size());
  EXPECT_GT(monitor_->GetStats().versions_evicted, 0u);
}

TEST_F(KeptStateTest, VersionsOfThePastGo) {
  root_.Write("a.js", "0");
  Start();
  for (int i = 1; i <= 20; ++i) {
    root_.Replace("a.js", absl::StrCat(i));
    ASSERT_TRUE(sink_.WaitForSize(static_cast<size_t>(i) + 1));
  }
  monitor_.reset();
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(state_.At("versions"))) {
    ++files;
  }
  EXPECT_EQ(files, 2u) << "facts and text of the last version";
}

TEST_F(KeptStateTest, TwoMonitorsDoNotShareAFolder) {
  Start();
  testing::RecordingSink other;
  const auto second = ScriptMonitor::Open(options_, other);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

TEST_F(KeptStateTest, StateThatCannotBeWrittenIsCountedAndWatchingGoesOn) {
  root_.Write("a.js", "a");
  Start();
  // Somebody removed the folder.
  std::filesystem::remove_all(state_.path());
  root_.Write("a.js", "changed");
  ASSERT_TRUE(sink_.WaitForSize(2));
  Await([](const Stats& stats) { return stats.write_errors > 0 && stats.errors > 0; });
  root_.Write("b.js", "b");
  ASSERT_TRUE(sink_.WaitForSize(3));
}

}  // namespace
}  // namespace skimwatch::script
