#include "agent/traffic/source/log_state.h"

#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/temporary_folder.h"

namespace skimwatch::traffic {
namespace {

using ::testing::HasSubstr;

v1::LogState Example() {
  v1::LogState state;
  for (int i = 0; i < 3; ++i) {
    v1::LogPosition& position = *state.add_positions();
    position.set_path("/var/log/nginx/access \"log\"\n\xff." + std::to_string(i));
    position.set_device(~uint64_t{0});
    position.set_inode(42 + i);
    position.set_offset(uint64_t{1} << 40);
    position.set_fingerprint_bytes(1024);
    position.set_fingerprint(0xabcd);
    position.set_seen_at(1700000000);
  }
  return state;
}

TEST(LogState, ComesBackAsItWas) {
  const auto decoded = DecodeLogState(EncodeLogState(Example()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->SerializeAsString(), Example().SerializeAsString());
  EXPECT_TRUE(DecodeLogState(EncodeLogState(v1::LogState())).ok());
}

TEST(LogState, EveryCutAndEveryFlippedByteIsNoticed) {
  const std::string text = EncodeLogState(Example());
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(DecodeLogState(std::string_view(text).substr(0, i)).ok()) << i;
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(DecodeLogState(flipped).ok()) << i;
  }
}

TEST(LogState, IsSavedForItsOwnerOnlyAndReplacesWhatWasThere) {
  const TemporaryFolder folder;
  const std::string path = folder.PathOf("state");
  EXPECT_EQ(LoadLogState(path).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(SaveLogState(path, EncodeLogState(Example())).ok());
  ASSERT_TRUE(SaveLogState(path, EncodeLogState(v1::LogState())).ok());
  const auto state = LoadLogState(path);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->positions_size(), 0);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_FALSE(folder.Exists("state.new"));
}

TEST(LogState, ErrorsNameTheFile) {
  const TemporaryFolder folder;
  folder.Append("state", "something else\n");
  const absl::Status damaged = LoadLogState(folder.PathOf("state")).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(damaged.message()), HasSubstr(folder.PathOf("state")));
  EXPECT_EQ(LoadLogState(folder.path()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(SaveLogState(folder.PathOf("no/such"), "").ok());
}

}  // namespace
}  // namespace skimwatch::traffic
