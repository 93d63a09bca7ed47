#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/agent.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Environment : public ::testing::Test {
 protected:
  Environment() {
    config_.set_state_directory(folder_.File("state"));
    config_.mutable_collector()->mutable_tls()->set_plaintext(true);
  }

  std::string ErrorOf() const { return std::string(CheckEnvironment(config_).message()); }
  void AddLog(const std::string& path) {
    config_.mutable_sources()->add_log_files()->add_paths(path);
  }

  testing::TempFolder folder_;
  config::v1::AgentConfig config_;
};

TEST_F(Environment, WarnsOfAPathOfLogsThatLeadsNowhere) {
  const std::string typo = folder_.File("lgo/*.log");
  const std::string none = folder_.File("acess.log");
  AddLog(typo);
  AddLog(none);
  EXPECT_EQ(ErrorOf(), "");
  EXPECT_THAT(EnvironmentWarnings(config_),
              ElementsAre(absl::StrCat("sources.log_files: ", typo, ": there is no folder ",
                                       folder_.File("lgo"), " that this user can see"),
                          absl::StrCat("sources.log_files: ", none,
                                       ": there is no such file that this user can see")));
}

TEST_F(Environment, WarnsOfALogThatItMayNotRead) {
  if (geteuid() != 0) GTEST_SKIP() << "becomes another user";
  const std::string secret = folder_.File("secret.log");
  const std::string open = folder_.File("open.log");
  std::ofstream(secret) << "x";
  std::ofstream(open) << "x";
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(secret.c_str(), 0600), 0);
  ASSERT_EQ(chmod(open.c_str(), 0644), 0);
  AddLog(folder_.File("*.log"));
  EXPECT_THAT(EnvironmentWarnings(config_), IsEmpty());
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(seteuid(kNobody), 0);
  const std::vector<std::string> warnings = EnvironmentWarnings(config_);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_THAT(warnings,
              ElementsAre(absl::StrCat("sources.log_files: ", secret, ": Permission denied")));
}

TEST_F(Environment, RefusesAStateDirectoryThatCanNotBeMade) {
  config_.set_state_directory("/proc/skimwatch/state");
  EXPECT_THAT(ErrorOf(), HasSubstr("state_directory: can't make the folder /proc/skimwatch/state"));
  // What can be made is not made yet.
  config_.set_state_directory(folder_.File("new/state"));
  EXPECT_EQ(ErrorOf(), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(Environment, RefusesAListenerThatOthersReachUnlessThatIsSaid) {
  auto& mirror = *config_.mutable_sources()->add_http_mirrors();
  mirror.set_listen("0.0.0.0:9470");
  EXPECT_THAT(ErrorOf(), HasSubstr("sources.http_mirrors: 0.0.0.0:9470: others than this machine "
                                   "reach it, and copies are sent in the clear"));
  mirror.set_allow_remote(true);
  EXPECT_EQ(ErrorOf(), "");
  config_.mutable_sources()->add_icap_servers()->set_listen("nonsense");
  EXPECT_THAT(ErrorOf(), HasSubstr("sources.icap_servers: "));
}

}  // namespace
}  // namespace skimwatch::agent
