// Roots whose state is too large to be written whole for each change, and looks by size and times.

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/script/version_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LargeRootTest : public MonitorFixture {
 protected:
  // Starts anew on what is on the disk.
  void Restart() {
    monitor_->Stop();
    monitor_.reset();
    Start();
  }
  std::string StateFile(const std::string& extension) const {
    for (const auto& entry : std::filesystem::directory_iterator(state_.path())) {
      if (entry.path().extension() == extension) return entry.path();
    }
    return "";
  }
};

TEST_F(LargeRootTest, ChangesGoToALogBesideTheState) {
  options_.whole_state_files_max = 2;
  for (const char* name : {"a.js", "b.js", "c.js", "d.js"}) root_.Write(name, name);
  Start();
  const std::string whole = StateFile(".root");
  ASSERT_NE(whole, "");
  const auto written = std::filesystem::last_write_time(whole);
  const size_t before = sink_.size();
  root_.Replace("a.js", "other();");
  ASSERT_TRUE(sink_.WaitForSize(before + 1));
  root_.Remove("b.js");
  ASSERT_TRUE(sink_.WaitForSize(before + 2));
  root_.Write("e.js", "new();");
  ASSERT_TRUE(sink_.WaitForSize(before + 3));
  EXPECT_THAT(sink_.Said(before), ElementsAre("CHANGED a.js", "REMOVED b.js", "ADDED e.js"));
  monitor_->Stop();
  EXPECT_EQ(std::filesystem::last_write_time(whole), written);
  EXPECT_GT(std::filesystem::file_size(StateFile(".log")), 16u);

  const size_t told = sink_.size();
  Restart();
  EXPECT_THAT(sink_.Said(told), IsEmpty());
  Await([](const Stats& stats) { return stats.scripts == 4; });
  root_.Replace("a.js", "third();");
  ASSERT_TRUE(sink_.WaitForSize(told + 1));
  EXPECT_EQ(sink_.Last("a.js").change.previous().sha256(), script::Sha256("other();"));
}

TEST_F(LargeRootTest, WithoutItsLogTheStateIsToldAgain) {
  options_.whole_state_files_max = 2;
  for (const char* name : {"a.js", "b.js", "c.js"}) root_.Write(name, name);
  Start();
  const size_t before = sink_.size();
  root_.Replace("a.js", "other();");
  ASSERT_TRUE(sink_.WaitForSize(before + 1));
  monitor_->Stop();
  std::filesystem::resize_file(StateFile(".log"), 17);
  const size_t told = sink_.size();
  Restart();
  ASSERT_TRUE(sink_.WaitForSize(told + 1));
  EXPECT_THAT(sink_.Said(told), ElementsAre("CHANGED a.js"));
}

TEST_F(LargeRootTest, ALookBetweenReadsReadsWhatIsAnotherByItsTimesOnly) {
  options_.make_notifier = [] { return absl::UnavailableError("none in this test"); };
  options_.roots[0].set_rescan_interval_seconds(1);
  options_.roots[0].set_read_interval_seconds(3600);
  for (const char* name : {"a.js", "b.js"}) root_.Write(name, name);
  root_.Link("b.js", "link.js");
  // Until times can be told apart, every look reads.
  absl::SleepFor(absl::Seconds(4));
  Start();
  const uint64_t looks = monitor_->GetStats().rescans;
  const uint64_t read = monitor_->GetStats().bytes_read;
  Await([&](const Stats& stats) { return stats.rescans > looks + 1; });
  EXPECT_EQ(monitor_->GetStats().bytes_read, read);
  EXPECT_EQ(monitor_->GetStats().full_reads, 1u);

  // Of the same size, with the time of its last write put back.
  const size_t before = sink_.size();
  struct stat info {};
  ASSERT_EQ(stat(root_.At("b.js").c_str(), &info), 0);
  root_.Write("b.js", "B.JS");
  const timespec times[2] = {info.st_atim, info.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, root_.At("b.js").c_str(), times, 0), 0);
  ASSERT_TRUE(sink_.WaitForSize(before + 2));
  EXPECT_THAT(sink_.Said(before), UnorderedElementsAre("CHANGED b.js", "CHANGED link.js"));
}

TEST_F(LargeRootTest, TenThousandFilesAreKnownAfterARestartAndAChangeIsToldInASecond) {
  constexpr int kFiles = 10'000;
  for (int i = 0; i < kFiles; ++i) {
    root_.Write(absl::StrCat("package-", i / 50, "/file-", i, ".js"), absl::StrCat("f(", i, ");"));
  }
  Open();
  monitor_->Start();
  Await([&](const Stats& stats) { return stats.scripts == kFiles; }, absl::Minutes(2));
  ASSERT_TRUE(sink_.WaitForSize(kFiles));
  monitor_->Stop();
  monitor_.reset();
  Open();
  monitor_->Start();
  Await([](const Stats& stats) { return stats.rescans == 1; }, absl::Minutes(2));
  EXPECT_EQ(sink_.size(), static_cast<size_t>(kFiles));
  const absl::Time begin = absl::Now();
  root_.Replace("package-7/file-351.js", "changed();");
  ASSERT_TRUE(sink_.WaitForSize(kFiles + 1));
  // The machine of a test may be busy with others.
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST(VersionStoreBurst, LeavesOutWhatNoLongerFitsInsteadOfPushingOut) {
  const Tree folder;
  auto store = script::VersionStore::Open(folder.At("versions"), 100 << 10, absl::Minutes(10));
  ASSERT_TRUE(store.ok());
  for (int i = 0; i < 2000; ++i) {
    script::KeptVersion version;
    version.text = absl::StrCat("text ", i);
    (*store)->Put(script::Sha256(absl::StrCat(i)), version);
  }
  EXPECT_TRUE((*store)->Get(script::Sha256("0")).has_value());
  EXPECT_FALSE((*store)->Get(script::Sha256("1999")).has_value());
  EXPECT_GT((*store)->GetStats().evicted, 0u);
  EXPECT_LE((*store)->GetStats().bytes, uint64_t{100} << 10);
}

}  // namespace
}  // namespace skimwatch::testing
