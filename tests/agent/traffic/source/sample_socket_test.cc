#include "agent/traffic/source/sample_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/samples.h"
#include "tests/agent/traffic/source/temporary_folder.h"

namespace skimwatch::traffic {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr uid_t kNobody = 65534;

// A program that writes samples.
class Writer {
 public:
  explicit Writer(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.data(), path.size());
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Writer() { Close(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool connected() const { return connected_; }
  // False when the other side has ended the connection.
  bool Write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t put = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return true;
  }
  // Writes what the socket takes without waiting.
  size_t WriteSome(std::string_view bytes) const {
    const ssize_t put = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return put < 0 ? 0 : static_cast<size_t>(put);
  }
  // Waits until the other side ends the connection.
  bool AwaitEnd() const {
    pollfd fd = {fd_, POLLIN, 0};
    char byte = 0;
    return poll(&fd, 1, 10000) == 1 && recv(fd_, &byte, 1, 0) <= 0;
  }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  bool connected_ = false;
};

class SampleSocketTest : public ::testing::Test {
 protected:
  SampleSocketTest() {
    // Users of other ids connect too.
    EXPECT_EQ(chmod(folder_.path().c_str(), 0755), 0);
    target_.sink.on_end = [this](const RecordingSink::Message& message) {
      absl::MutexLock lock(&mutex_);
      texts_.push_back(message.text());
      const auto go_on = [this] { return !hold_; };
      mutex_.Await(absl::Condition(&go_on));
    };
  }
  ~SampleSocketTest() override { Hold(false); }

  SampleSocket::Options Options() const {
    SampleSocket::Options options;
    options.path = path_;
    options.sample_bytes_max = 1000;
    options.scan = ScanOptionsFor("shop");
    return options;
  }
  void Start(const SampleSocket::Options& options) {
    auto socket = SampleSocket::Listen(options, coverage_, target_);
    ASSERT_TRUE(socket.ok()) << socket.status();
    socket_ = *std::move(socket);
    socket_->Start();
  }
  bool Await(const std::function<bool()>& done) {
    const absl::Time until = absl::Now() + absl::Seconds(10);
    while (!done()) {
      if (absl::Now() > until) return false;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return true;
  }
  bool AwaitTexts(size_t count) {
    return Await([&] { return Texts().size() >= count; });
  }
  std::vector<std::string> Texts() {
    absl::MutexLock lock(&mutex_);
    return texts_;
  }
  // The scan does not go on while it is held.
  void Hold(bool hold) {
    absl::MutexLock lock(&mutex_);
    hold_ = hold;
  }
  // Connects as another user, in a process of its own, which lives until Release.
  void ConnectAs(uid_t user) {
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      close(pipe_fds[0]);
      if (setgroups(0, nullptr) != 0 || setuid(user) != 0) _exit(2);
      const Writer writer(path_);
      const bool written = writer.connected() && writer.Write(Line("from another user"));
      (void)!write(pipe_fds[1], written ? "y" : "n", 1);
      writer.AwaitEnd();
      _exit(0);
    }
    char answer = 0;
    close(pipe_fds[1]);
    EXPECT_EQ(read(pipe_fds[0], &answer, 1), 1);
    close(pipe_fds[0]);
    other_connected_ = answer == 'y';
    others_.push_back(pid);
  }
  void TearDown() override {
    Hold(false);
    socket_ = nullptr;
    for (const pid_t pid : others_) waitpid(pid, nullptr, 0);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("socket");
  Coverage coverage_;
  RecordingTarget target_;
  absl::Mutex mutex_;
  std::vector<std::string> texts_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  bool other_connected_ = false;
  std::vector<pid_t> others_;
  std::unique_ptr<SampleSocket> socket_;
};

TEST_F(SampleSocketTest, TakesSamplesOfSeveralWriters) {
  Start(Options());
  const Writer one(path_);
  const Writer other(path_);
  ASSERT_TRUE(one.connected() && other.connected());
  const std::string line = Line("cut in the middle");
  ASSERT_TRUE(one.Write(line.substr(0, 5)));
  ASSERT_TRUE(other.Write(Line("of the other one") + Line("and another one")));
  ASSERT_TRUE(AwaitTexts(2));
  ASSERT_TRUE(one.Write(line.substr(5)));
  ASSERT_TRUE(AwaitTexts(3));
  EXPECT_THAT(Texts(), ElementsAre("of the other one", "and another one", "cut in the middle"));
  ASSERT_TRUE(Await([&] { return socket_->GetStats().scan.samples == 3; }));
  EXPECT_EQ(socket_->GetStats().connections_open, 2u);
  EXPECT_EQ(coverage_.seen_bytes(), 48u);
}

TEST_F(SampleSocketTest, StopReadsWhatWasSentBefore) {
  Start(Options());
  Writer writer(path_);
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += Line(absl::StrCat("the line number ", i));
  ASSERT_TRUE(writer.Write(bytes));
  writer.Close();
  // One that nobody accepted yet.
  const Writer late(path_);
  ASSERT_TRUE(late.Write(Line("the latest of all")));
  socket_->Stop();
  EXPECT_THAT(Texts(), SizeIs(1001));
  EXPECT_FALSE(folder_.Exists("socket"));
}

TEST_F(SampleSocketTest, HasTheModeThatItWasGiven) {
  SampleSocket::Options options = Options();
  options.mode = 0620;
  options.group = getgid();
  const mode_t mask = umask(077);
  Start(options);
  umask(mask);
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 07777, 0620u);
}

TEST_F(SampleSocketTest, ReplacesAStaleSocketAndNothingElse) {
  Start(Options());
  // One that is in use is nobody else's.
  EXPECT_EQ(SampleSocket::Listen(Options(), coverage_, target_).status().code(),
            absl::StatusCode::kUnavailable);
  socket_ = nullptr;
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path_.data(), path_.size());
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  Start(Options());
  socket_ = nullptr;
  folder_.Append("socket", "precious");
  EXPECT_FALSE(SampleSocket::Listen(Options(), coverage_, target_).ok());
  EXPECT_EQ(folder_.Read("socket"), "precious");
}

TEST_F(SampleSocketTest, AWriterThatSendsSomethingElseIsEnded) {
  Start(Options());
  const Writer good(path_);
  const Writer bad(path_);
  ASSERT_TRUE(bad.Write(Line("a line before it") + std::string(20, '\xff')));
  EXPECT_TRUE(bad.AwaitEnd());
  ASSERT_TRUE(good.Write(Line("it goes on here")));
  ASSERT_TRUE(AwaitTexts(2));
  ASSERT_TRUE(Await([&] { return socket_->GetStats().ended_broken == 1; }));
  EXPECT_THAT(socket_->GetStats().last_error, HasSubstr("no length of a sample"));
  EXPECT_EQ(socket_->GetStats().ended_within, 0u);
  EXPECT_EQ(coverage_.bytes(Reason::kUndecodableSample), 20u);
}

TEST_F(SampleSocketTest, WhatMakesNoSenseIsLeftOut) {
  Start(Options());
  const Writer writer(path_);
  const v1::Sample long_one = LineOf(std::string(2000, 'x'));
  ASSERT_TRUE(
      writer.Write(std::string("\x05wrong") + Delimited(long_one) + Line("it goes on here")));
  ASSERT_TRUE(AwaitTexts(1));
  ASSERT_TRUE(Await([&] { return socket_->GetStats().scan.samples == 1; }));
  EXPECT_EQ(socket_->GetStats().scan.invalid, 1u);
  EXPECT_EQ(socket_->GetStats().scan.too_long, 1u);
  EXPECT_EQ(coverage_.bytes(Reason::kUndecodableSample), 5u);
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedSampleLimit), long_one.ByteSizeLong());
}

TEST_F(SampleSocketTest, AWriterThatGoesAwayWithinASampleIsCounted) {
  Start(Options());
  Writer writer(path_);
  ASSERT_TRUE(writer.Write(Line("never to be over").substr(0, 10)));
  writer.Close();
  ASSERT_TRUE(Await([&] { return socket_->GetStats().ended_within == 1; }));
  EXPECT_EQ(coverage_.bytes(Reason::kUndecodableSample), 10u);
  EXPECT_EQ(socket_->GetStats().connections_open, 0u);
}

TEST_F(SampleSocketTest, AStalledWriterIsEndedAndASilentOneIsNot) {
  SampleSocket::Options options = Options();
  options.stall_max = absl::Milliseconds(50);
  Start(options);
  const Writer silent(path_);
  ASSERT_TRUE(silent.Write(Line("and then silence")));
  const Writer stalled(path_);
  ASSERT_TRUE(stalled.Write(Line("never to be over").substr(0, 10)));
  EXPECT_TRUE(stalled.AwaitEnd());
  ASSERT_TRUE(Await([&] { return socket_->GetStats().ended_stalled == 1; }));
  EXPECT_TRUE(silent.Write(Line("after the silence")));
  EXPECT_TRUE(AwaitTexts(2));
}

TEST_F(SampleSocketTest, AFastWriterWaitsAndDoesNotKeepOthersOut) {
  Start(Options());
  const Writer fast(path_);
  Hold(true);
  std::string flood;
  while (flood.size() < (1u << 20)) flood += Line("one line of a flood");
  // The socket's buffers are all that is taken, while the scan does not go on.
  size_t sent = 0;
  for (size_t some = 1; some > 0; sent += some) {
    some = fast.WriteSome(std::string_view(flood).substr(sent % flood.size()));
  }
  EXPECT_LT(sent, 4u << 20);
  Hold(false);
  std::thread flooding([&] {
    bool goes_on = fast.Write(std::string_view(flood).substr(sent % flood.size()));
    while (goes_on) goes_on = fast.Write(flood);
  });
  const Writer slow(path_);
  for (int i = 0; i < 5; ++i) {
    const std::string text = absl::StrCat("a slow line, number ", i);
    ASSERT_TRUE(slow.Write(Line(text)));
    EXPECT_TRUE(Await([&] {
      absl::MutexLock lock(&mutex_);
      const bool came = std::find(texts_.begin(), texts_.end(), text) != texts_.end();
      texts_.clear();
      return came;
    }));
  }
  EXPECT_EQ(socket_->GetStats().scan.invalid, 0u);
  socket_->Stop();
  flooding.join();
}

TEST_F(SampleSocketTest, UsersThatAreNotAllowedAreTurnedAway) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  SampleSocket::Options options = Options();
  options.mode = 0666;
  options.allowed_users = {kNobody};
  Start(options);
  const Writer mine(path_);
  EXPECT_TRUE(mine.AwaitEnd());
  ASSERT_TRUE(Await([&] { return socket_->GetStats().refused_user == 1; }));
  EXPECT_THAT(socket_->GetStats().last_error, HasSubstr("allowed_users"));
  ASSERT_NO_FATAL_FAILURE(ConnectAs(kNobody));
  EXPECT_TRUE(other_connected_);
  EXPECT_TRUE(AwaitTexts(1));
}

TEST_F(SampleSocketTest, OneUserDoesNotKeepAnotherOut) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  SampleSocket::Options options = Options();
  options.mode = 0666;
  options.connections_max = 3;
  Start(options);
  const Writer first(path_);
  const Writer second(path_);
  const Writer third(path_);
  ASSERT_TRUE(first.Write(Line("the first writer")) && second.Write(Line("the second one")) &&
              third.Write(Line("the third writer")));
  ASSERT_TRUE(AwaitTexts(3));
  const Writer fourth(path_);
  EXPECT_TRUE(fourth.AwaitEnd());
  ASSERT_TRUE(Await([&] { return socket_->GetStats().refused_full == 1; }));
  ASSERT_NO_FATAL_FAILURE(ConnectAs(kNobody));
  EXPECT_TRUE(AwaitTexts(4));
  EXPECT_THAT(Texts(), Contains("from another user"));
  ASSERT_TRUE(Await([&] { return socket_->GetStats().ended_displaced == 1; }));
  EXPECT_EQ(socket_->GetStats().connections_open, 3u);
}

TEST_F(SampleSocketTest, UsersAndGroupsMustExist) {
  config::v1::SampleSocket config;
  config.set_path(path_);
  config.set_mode("0640");
  config.set_group("root");
  config.add_allowed_users("root");
  config.add_allowed_users("1234");
  const absl::StatusOr<SampleSocket::Options> options = SampleSocket::Options::FromConfig(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->mode, 0640u);
  EXPECT_EQ(options->group, gid_t{0});
  EXPECT_THAT(options->allowed_users, ElementsAre(0u, 1234u));
  config.set_group("no_such_group");
  EXPECT_THAT(std::string(SampleSocket::Options::FromConfig(config).status().message()),
              HasSubstr("no_such_group"));
  config.clear_group();
  config.add_allowed_users("no_such_user");
  EXPECT_THAT(std::string(SampleSocket::Options::FromConfig(config).status().message()),
              HasSubstr("no_such_user"));
}

}  // namespace
}  // namespace skimwatch::traffic
