#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::MonitorFixture;
using ::skimwatch::v1::ScriptChange;

// Writes what a monitor says to a pipe, a line a change, as a spool would take it.
class PipeSink : public ScriptSink {
 public:
  explicit PipeSink(int fd) : fd_(fd) {}
  void OnChange(std::string_view /*site*/, const ScriptChange& change, v1::Severity) override {
    const std::string line = absl::StrCat(change.change(), " ", change.script(), " ",
                                          absl::BytesToHexString(change.current().sha256()), "\n");
    if (write(fd_, line.data(), line.size()) < 0) _exit(1);
  }
  void OnText(std::string_view, std::string_view, std::string_view) override {}

 private:
  const int fd_;
};

class CrashTest : public MonitorFixture {
 protected:
  // Runs a monitor in a process of its own for a while and kills it; gives what it said.
  std::string RunAndKill(absl::Duration life, const std::function<void()>& meanwhile) {
    int pipe_fds[2];
    EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(pipe_fds[0]);
      PipeSink sink(pipe_fds[1]);
      auto monitor = ScriptMonitor::Open(options_, sink);
      if (!monitor.ok()) _exit(1);
      (*monitor)->Start();
      while (true) pause();
    }
    close(pipe_fds[1]);
    meanwhile();
    absl::SleepFor(life);
    kill(child, SIGKILL);
    std::string said;
    char buffer[4096];
    for (ssize_t got; (got = read(pipe_fds[0], buffer, sizeof buffer)) > 0;) {
      said.append(buffer, static_cast<size_t>(got));
    }
    close(pipe_fds[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    return said;
  }
};

// Whenever it is killed: the state is never damaged, and in the end all that is on the disk was
// said under its last bytes.
TEST_F(CrashTest, KillAtAnyMomentLosesNoChange) {
  spdlog::set_level(spdlog::level::off);
  options_.settle = absl::Milliseconds(2);
  std::mt19937 random(7);
  std::set<std::string> said;
  const auto take = [&](const std::string& lines) {
    for (size_t at = 0, end; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
      said.insert(lines.substr(at, end - at));
    }
  };
  for (int i = 0; i < 40; ++i) root_.Write(absl::StrCat("f", i, ".js"), absl::StrCat("first ", i));
  int version = 0;
  for (int life = 0; life < 30; ++life) {
    take(RunAndKill(absl::Milliseconds(random() % 40), [&] {
      for (int i = 0; i < 10; ++i) {
        root_.Replace(absl::StrCat("f", random() % 40, ".js"), absl::StrCat("v", ++version));
        absl::SleepFor(absl::Milliseconds(random() % 4));
      }
    }));
  }
  Start();
  EXPECT_EQ(monitor_->GetStats().states_set_aside, 0u);
  EXPECT_EQ(monitor_->GetStats().versions_damaged, 0u);
  for (const auto& change : sink_.changes()) {
    said.insert(absl::StrCat(change.change.change(), " ", change.change.script(), " ",
                             absl::BytesToHexString(change.change.current().sha256())));
  }
  for (int i = 0; i < 40; ++i) {
    const std::string name = absl::StrCat("f", i, ".js");
    std::ifstream file(root_.At(name));
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::string hash = absl::BytesToHexString(Sha256(text));
    bool was_said = false;
    for (const ScriptChange::Change kind :
         {ScriptChange::CHANGE_PROPOSED, ScriptChange::CHANGE_CHANGED}) {
      was_said |= said.contains(absl::StrCat(kind, " ", name, " ", hash));
    }
    EXPECT_TRUE(was_said) << name;
  }
}

TEST_F(CrashTest, FirstLookThatWasKilledGoesOnProposing) {
  spdlog::set_level(spdlog::level::off);
  for (int i = 0; i < 500; ++i) root_.Write(absl::StrCat("f", i, ".js"), absl::StrCat(i));
  std::string said;
  for (int life = 0; life < 5; ++life) said += RunAndKill(absl::Milliseconds(5), [] {});
  Start();
  std::set<std::string> names;
  for (const std::string& text : sink_.Said()) {
    EXPECT_TRUE(text.starts_with("PROPOSED ")) << text;
  }
  // A kill during the first look repeats; one after its end has nothing to repeat.
  for (int i = 0; i < 500; ++i) {
    const std::string name = absl::StrCat("f", i, ".js");
    const bool before = said.find(absl::StrCat(" ", name, " ")) != std::string::npos;
    const auto again = sink_.Said();
    const bool now =
        std::find(again.begin(), again.end(), absl::StrCat("PROPOSED ", name)) != again.end();
    EXPECT_TRUE(before || now) << name;
  }
}

}  // namespace
}  // namespace skimwatch::script
