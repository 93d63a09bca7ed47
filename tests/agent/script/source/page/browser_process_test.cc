#include "agent/script/source/page/browser_process.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::script {
namespace {

using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BrowserProcessTest : public ::testing::Test {
 protected:
  BrowserProcessTest() {
    if (const char* const before = getenv("TMPDIR"); before != nullptr) before_ = before;
    setenv("TMPDIR", folder_.path().c_str(), 1);
    // Stands for a browser, whatever it is told.
    std::ofstream(browser_) << "#!/bin/sh\nexec sleep 60\n";
    chmod(browser_.c_str(), 0755);
  }
  ~BrowserProcessTest() override {
    before_.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", before_.c_str(), 1);
  }

  // A folder as one that started a browser at `started` would have named it.
  std::string Profile(pid_t pid, const std::string& started) const {
    const std::string path = folder_.File(absl::StrCat("skimwatch-page-", pid, "-", started, "-a"));
    std::filesystem::create_directories(path + "/Default");
    std::ofstream(path + "/Default/Preferences") << "{}";
    return path;
  }

  const testing::TempFolder folder_;
  const std::string browser_ = folder_.File("browser");
  std::string before_;
};

TEST_F(BrowserProcessTest, StartsABrowserThatLoadsNothingAheadAndGoesFirst) {
  absl::StatusOr<std::unique_ptr<BrowserProcess>> browser =
      BrowserProcess::Start({.path = browser_, .no_sandbox = geteuid() == 0});
  ASSERT_TRUE(browser.ok()) << browser.status();
  const std::string profile = (*browser)->profile();
  EXPECT_THAT(Read(profile + "/Default/Preferences"), HasSubstr("network_prediction_options\":2"));
  EXPECT_EQ(Read(absl::StrCat("/proc/", (*browser)->pid(), "/oom_score_adj")), "900\n");
  // It is in use.
  BrowserProcess::RemoveLeftBehind();
  EXPECT_TRUE(std::filesystem::exists(profile));
  (*browser)->Kill();
  EXPECT_FALSE(std::filesystem::exists(profile));
}

TEST_F(BrowserProcessTest, RemovesTheProfilesOfAgentsThatAreGone) {
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  const std::string of_gone = Profile(gone, "1");
  // A process of the same number that began at another time.
  const std::string of_other = Profile(getpid(), "1");
  const std::string not_ours = folder_.File("skimwatch-page-notes");
  std::filesystem::create_directories(not_ours);
  const std::string outside = folder_.File("outside");
  std::filesystem::create_directories(outside);
  std::filesystem::create_directory_symlink(
      outside, folder_.File(absl::StrCat("skimwatch-page-", gone, "-1-link")));
  BrowserProcess::RemoveLeftBehind();
  EXPECT_FALSE(std::filesystem::exists(of_gone));
  EXPECT_FALSE(std::filesystem::exists(of_other));
  EXPECT_TRUE(std::filesystem::exists(not_ours));
  EXPECT_TRUE(std::filesystem::exists(outside));
}

}  // namespace
}  // namespace skimwatch::script
