#include "proto/process/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::process {
namespace {

// Exit code of `body` in a process of its own: what is set here must not outlive the test.
int InProcess(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(PortFile, IsThereAsAWholeOrNotAtAll) {
  const std::string path = ::testing::TempDir() + "ports";
  ASSERT_TRUE(WritePortFile(path, {{"listen", 9463}, {"metrics", 0}}).ok());
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "listen=9463\nmetrics=0\n");
  EXPECT_NE(access((path + ".new").c_str(), F_OK), 0);
  const absl::Status status = WritePortFile("/nowhere/ports", {{"listen", 9463}});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/nowhere/ports"));
}

TEST(Version, IsTheProjectsAndARevision) {
  EXPECT_THAT(std::string(Version()), ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_FALSE(Revision().empty());
}

TEST(CoreDumps, AreForbidden) {
  EXPECT_EQ(InProcess([] {
              if (!ForbidCoreDumps().ok()) return 1;
              rlimit limit{};
              getrlimit(RLIMIT_CORE, &limit);
              if (limit.rlim_cur != 0 || limit.rlim_max != 0) return 2;
              return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 3;
            }),
            0);
}

TEST(TerminationSignals, AreWaitedFor) {
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_EQ(InProcess([signal] {
                BlockTerminationSignals();
                if (WaitForTerminationSignal(absl::ZeroDuration())) return 1;
                const absl::Time start = absl::Now();
                if (WaitForTerminationSignal(absl::Milliseconds(30))) return 2;
                if (absl::Now() - start < absl::Milliseconds(29)) return 3;
                kill(getpid(), signal);
                if (!WaitForTerminationSignal(absl::Seconds(10))) return 4;
                kill(getpid(), signal);
                return WaitForTerminationSignal(absl::InfiniteDuration()) ? 0 : 5;
              }),
              0);
  }
}

TEST(TerminationSignals, TakeAHangupForTheEndOnlyOfACommand) {
  EXPECT_EQ(InProcess([] {
              BlockTerminationSignals();
              kill(getpid(), SIGHUP);
              if (WaitForTerminationSignal(absl::Milliseconds(30))) return 1;
              kill(getpid(), SIGHUP);
              kill(getpid(), SIGTERM);
              if (!WaitForTerminationSignal(absl::InfiniteDuration())) return 2;
              kill(getpid(), SIGHUP);
              return WaitForTerminationSignal(absl::Seconds(10), Hangup::kEnds) ? 0 : 3;
            }),
            0);
}

TEST(TerminationSignals, LeaveAHungUpPeerAnError) {
  EXPECT_EQ(InProcess([] {
              BlockTerminationSignals();
              int ends[2];
              if (pipe(ends) != 0) return 1;
              close(ends[0]);
              return write(ends[1], "x", 1) == -1 && errno == EPIPE ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace skimwatch::process
