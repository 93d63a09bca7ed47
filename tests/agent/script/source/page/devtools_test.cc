#include "agent/script/source/page/devtools.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The browser's side of the connection, spoken by the test.
class DevToolsTest : public ::testing::Test {
 protected:
  DevToolsTest() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0);
  }
  ~DevToolsTest() override {
    for (const int fd : ends_) {
      if (fd >= 0) close(fd);
    }
  }

  void Say(const std::string& bytes) {
    ASSERT_EQ(write(ends_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::string Heard() {
    std::string heard(65536, 0);
    const ssize_t got = read(ends_[1], heard.data(), heard.size());
    heard.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return heard;
  }
  void HangUp() {
    close(ends_[1]);
    ends_[1] = -1;
  }
  static absl::Time Soon() { return absl::Now() + absl::Milliseconds(50); }
  static absl::Time Later() { return absl::Now() + absl::Seconds(20); }

  std::array<int, 2> ends_{-1, -1};
};

TEST_F(DevToolsTest, AnswersACallAndHandsOverWhatComesBefore) {
  DevTools devtools(ends_[0], ends_[0], {});
  std::vector<std::string> events;
  devtools.on_event = [&](const std::string& session, const std::string& method,
                          const Json& params) {
    events.push_back(session + " " + method + " " + TextOf(params, "x"));
  };
  Say("{\"method\":\"A.b\",\"sessionId\":\"S\",\"params\":{\"x\":\"y\"}}\0"
      "{\"id\":1,\"result\":{\"value\":3}}\0"s);
  const absl::StatusOr<Json> answer = devtools.Call("M.n", {{"k", "v"}}, "T", Later());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(NumberOf(*answer, "value"), 3);
  EXPECT_THAT(events, ElementsAre("S A.b y"));
  EXPECT_EQ(Heard(),
            "{\"id\":1,\"method\":\"M.n\",\"params\":{\"k\":\"v\"},\"sessionId\":\"T\"}\0"s);
}

TEST_F(DevToolsTest, GivesTheBrowsersWordsOfARefusal) {
  DevTools devtools(ends_[0], ends_[0], {});
  Say("{\"id\":1,\"error\":{\"code\":-1,\"message\":\"no such thing\"}}\0"s);
  const absl::StatusOr<Json> answer = devtools.Call("M.n", {}, "", Later());
  EXPECT_EQ(answer.status(), absl::InternalError("M.n: no such thing"));
}

TEST_F(DevToolsTest, GivesUpAtTheDeadline) {
  DevTools devtools(ends_[0], ends_[0], {});
  EXPECT_TRUE(absl::IsDeadlineExceeded(devtools.Call("M.n", {}, "", Soon()).status()));
  // An answer that comes late is nobody's.
  Say("{\"id\":1,\"result\":{}}\0{\"id\":2,\"result\":{\"v\":1}}\0"s);
  EXPECT_TRUE(devtools.Call("M.o", {}, "", Later()).ok());
}

TEST_F(DevToolsTest, SaysThatTheBrowserIsGone) {
  DevTools devtools(ends_[0], ends_[0], {});
  HangUp();
  EXPECT_TRUE(absl::IsUnavailable(devtools.Call("M.n", {}, "", Later()).status()));
  EXPECT_TRUE(absl::IsUnavailable(devtools.Wait([] { return false; }, Later())));
}

TEST_F(DevToolsTest, CountsWhatMakesNoSenseAndGoesOn) {
  DevTools devtools(ends_[0], ends_[0], {});
  Say("nonsense\0[]\0{}\0{\"id\":{}}\0{\"id\":\"1\"}\0{\"id\":1,\"result\":7}\0"s);
  EXPECT_TRUE(devtools.Call("M.n", {}, "", Later()).ok());
  EXPECT_EQ(devtools.malformed(), 3);
}

TEST_F(DevToolsTest, AnswersACallWhoseAnswerMakesNoSense) {
  DevTools devtools(ends_[0], ends_[0], {});
  Say("{\"id\":1,\"result\":{\"x\":\"\xff\"}}\0"s);
  EXPECT_TRUE(absl::IsInternal(devtools.Call("M.n", {}, "", Later()).status()));
  EXPECT_EQ(devtools.malformed(), 1);
}

TEST_F(DevToolsTest, HandsOverATextWithHalfASurrogatePair) {
  DevTools devtools(ends_[0], ends_[0], {});
  Say("{\"id\":1,\"result\":{\"scriptSource\":\"steal()//\\ud800\"}}\0"s);
  const absl::StatusOr<Json> answer = devtools.Call("M.n", {}, "", Later());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(TextOf(*answer, "scriptSource"), "steal()//\uFFFD");
}

TEST_F(DevToolsTest, EndsAMessageThatIsTooLong) {
  DevTools devtools(ends_[0], ends_[0], {.message_bytes_max = 1000});
  Say(std::string(2000, 'x'));
  const absl::Status status = devtools.Wait([] { return false; }, Later());
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST_F(DevToolsTest, EndsWhereTheBrowserDoesNotRead) {
  DevTools devtools(ends_[0], ends_[0], {.unsent_bytes_max = 1 << 20});
  const std::string much(1 << 19, 'x');
  for (int i = 0; i < 8; ++i) devtools.Send("M.n", {{"x", much}}, "");
  EXPECT_TRUE(absl::IsResourceExhausted(devtools.Wait([] { return false; }, Soon())));
}

TEST_F(DevToolsTest, StopsWhenTheWatchSaysSo) {
  DevTools devtools(ends_[0], ends_[0],
                    {.watch = [] { return absl::ResourceExhaustedError("too much memory"); }});
  EXPECT_THAT(devtools.Call("M.n", {}, "", Later()).status().message(), HasSubstr("too much"));
}

}  // namespace
}  // namespace skimwatch::script
