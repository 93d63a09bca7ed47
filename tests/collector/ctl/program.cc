#include "tests/collector/ctl/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace skimwatch::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

[[noreturn]] void Execute(std::vector<std::string> command, std::vector<std::string> environment) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  std::vector<char*> variables;
  for (std::string& variable : environment) variables.push_back(variable.data());
  variables.push_back(nullptr);
  execve(arguments[0], arguments.data(), variables.data());
  _exit(127);
}

int Wait(pid_t pid) {
  int status = 0;
  const absl::Time deadline = absl::Now() + kPatience;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (absl::Now() > deadline) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      ADD_FAILURE() << "skimwatchctl did not end";
      break;
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Appends what `fd` has; false at its end.
bool ReadSome(int fd, std::string& text) {
  char buffer[4096];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n <= 0) return false;
  text.append(buffer, static_cast<size_t>(n));
  return true;
}

}  // namespace

Ctl::Ctl(const TempFolder& folder)
    : environment({"HOME=" + folder.path(), "PATH=/usr/bin:/bin", "LANG=C.UTF-8"}) {
  // The sanitizers' settings of the test, but for the look for leaks: it attaches to the process,
  // which the process forbids.
  for (const char* const name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    const char* const value = std::getenv(name);
    const std::string settings = value == nullptr ? "" : std::string(value) + ":";
    environment.push_back(std::string(name) + "=" + settings +
                          (name == std::string("ASAN_OPTIONS") ? "detect_leaks=0" : ""));
  }
}

Ctl::Ctl(OperatorServer& server, const std::string& name) : Ctl(server.folder()) {
  const config::v1::Tls tls = server.authority().Issue(name);
  options = {"--collector", server.address(), "--certificate", tls.certificate_file(),
             "--key",       tls.key_file(),   "--ca",          tls.ca_file()};
}

std::vector<std::string> Ctl::Command(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {SKIMWATCH_BIN_DIR "/skimwatchctl"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Result Ctl::Run(const std::vector<std::string>& arguments, const std::string& input) const {
  int in[2];
  int out[2];
  int err[2];
  for (int* const ends : {in, out, err}) EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    Execute(Command(arguments), environment);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  // Inputs are far below what a pipe holds.
  EXPECT_EQ(write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
  close(in[1]);
  Result result;
  pollfd ends[2] = {{.fd = out[0], .events = POLLIN, .revents = 0},
                    {.fd = err[0], .events = POLLIN, .revents = 0}};
  const absl::Time deadline = absl::Now() + kPatience;
  while ((ends[0].fd >= 0 || ends[1].fd >= 0) && absl::Now() < deadline) {
    poll(ends, 2, 1000);
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      if (!ReadSome(ends[i].fd, i == 0 ? result.out : result.err)) ends[i].fd = -1;
    }
  }
  result.code = Wait(pid);
  close(out[0]);
  close(err[0]);
  return result;
}

Result Ctl::RunOnTerminal(
    const std::vector<std::string>& arguments, int columns,
    const std::function<std::string(const std::string& screen, pid_t)>& type) const {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = 50;
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, &size);
  if (pid == 0) Execute(Command(arguments), environment);
  Result result;
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    pollfd end{.fd = terminal, .events = POLLIN, .revents = 0};
    poll(&end, 1, 1000);
    // The other side is closed when the program ends: EIO.
    if (end.revents != 0 && !ReadSome(terminal, result.out)) break;
    const std::string typed = type(result.out, pid);
    EXPECT_EQ(write(terminal, typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  }
  result.code = Wait(pid);
  close(terminal);
  return result;
}

}  // namespace skimwatch::testing
