#include "agent/pipeline/sampling_key.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace skimwatch::pipeline {
namespace {

class SamplingKey : public ::testing::Test {
 protected:
  SamplingKey() {
    std::string pattern = ::testing::TempDir() + "sampling-key-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~SamplingKey() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(SamplingKey, IsTheSameAfterARestart) {
  const auto first = LoadSamplingKey(directory_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE(*first, traffic::SipKey{});
  EXPECT_EQ(*LoadSamplingKey(directory_), *first);
  struct stat info = {};
  ASSERT_EQ(stat((directory_ + "/sampling-key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SamplingKey, DiffersBetweenAgents) {
  const auto first = LoadSamplingKey(directory_);
  std::filesystem::remove(directory_ + "/sampling-key");
  EXPECT_NE(*LoadSamplingKey(directory_), *first);
}

TEST_F(SamplingKey, IsMadeAnewWhereTheFileIsDamaged) {
  std::ofstream(directory_ + "/sampling-key") << "short";
  const auto key = LoadSamplingKey(directory_);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(*LoadSamplingKey(directory_), *key);
}

TEST_F(SamplingKey, NamesTheFileThatItCannotMake) {
  const auto key = LoadSamplingKey(directory_ + "/nowhere");
  ASSERT_FALSE(key.ok());
  EXPECT_NE(key.status().ToString().find("nowhere/sampling-key"), std::string::npos);
}

}  // namespace
}  // namespace skimwatch::pipeline
