#include "agent/script/state_log.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/tree.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StateLogTest : public ::testing::Test {
 protected:
  std::vector<std::string> Replay(StateLog& log, uint64_t generation) const {
    std::vector<std::string> records;
    EXPECT_TRUE(
        log.Replay(generation, [&](std::string_view record) { records.emplace_back(record); })
            .ok());
    return records;
  }

  testing::Tree folder_;
  const std::string path_ = folder_.At("log");
};

TEST_F(StateLogTest, GoesOnWhereItWas) {
  {
    StateLog log(path_);
    ASSERT_TRUE(log.Begin(7).ok());
    ASSERT_TRUE(log.Append({"a", ""}).ok());
    ASSERT_TRUE(log.Append({"b"}).ok());
  }
  {
    StateLog log(path_);
    EXPECT_THAT(Replay(log, 7), ElementsAre("a", "", "b"));
    ASSERT_TRUE(log.Append({"c"}).ok());
  }
  StateLog log(path_);
  EXPECT_THAT(Replay(log, 7), ElementsAre("a", "", "b", "c"));
}

TEST_F(StateLogTest, IsOfOneGenerationOnly) {
  StateLog log(path_);
  ASSERT_TRUE(log.Begin(7).ok());
  ASSERT_TRUE(log.Append({"a"}).ok());
  StateLog later(path_);
  EXPECT_THAT(Replay(later, 8), IsEmpty());
  EXPECT_FALSE(later.is_open());
  EXPECT_FALSE(later.Append({"b"}).ok());
  ASSERT_TRUE(later.Begin(8).ok());
  ASSERT_TRUE(later.Append({"c"}).ok());
  StateLog last(path_);
  EXPECT_THAT(Replay(last, 8), ElementsAre("c"));
}

TEST_F(StateLogTest, EndsWhereItWasCutOffOrDamagedAndGoesOnFromThere) {
  StateLog whole(path_);
  ASSERT_TRUE(whole.Begin(7).ok());
  ASSERT_TRUE(whole.Append({"first", "second"}).ok());
  const auto size = std::filesystem::file_size(path_);
  for (uintmax_t cut = size - 1; cut > size - 6; --cut) {
    std::filesystem::resize_file(path_, cut);
    StateLog log(path_);
    EXPECT_THAT(Replay(log, 7), ElementsAre("first"));
    ASSERT_TRUE(log.Append({"third"}).ok());
    StateLog again(path_);
    EXPECT_THAT(Replay(again, 7), ElementsAre("first", "third"));
    ASSERT_TRUE(again.Begin(7).ok());
    ASSERT_TRUE(again.Append({"first", "second"}).ok());
  }
  std::fstream(path_).seekp(static_cast<std::streamoff>(size - 1)).put('x');
  StateLog log(path_);
  EXPECT_THAT(Replay(log, 7), ElementsAre("first"));
}

TEST_F(StateLogTest, TakesAnythingForALog) {
  StateLog log(path_);
  EXPECT_THAT(Replay(log, 7), IsEmpty());
  for (const std::string& text : {std::string(), std::string("SKWL"), std::string(4000, '\xff')}) {
    folder_.Write("log", text);
    EXPECT_THAT(Replay(log, 7), IsEmpty());
    EXPECT_FALSE(log.is_open());
  }
}

}  // namespace
}  // namespace skimwatch::script
