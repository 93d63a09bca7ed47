#include "tests/support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace skimwatch::testing {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void Execute(uid_t user, char* const* arguments, char* const* environment) {
  if (user != 0 && (setgroups(0, nullptr) != 0 || setgid(user) != 0 || setuid(user) != 0)) {
    _exit(126);
  }
  signal(SIGPIPE, SIG_DFL);
  execve(arguments[0], arguments, environment);
  _exit(127);
}

void Close(int& fd) {
  if (fd >= 0) close(std::exchange(fd, -1));
}

}  // namespace

std::vector<std::string> SanitizerEnvironment() {
  std::vector<std::string> environment;
  for (const char* const name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    const char* const value = std::getenv(name);
    const std::string settings = value == nullptr ? "" : std::string(value) + ":";
    environment.push_back(std::string(name) + "=" + settings +
                          (name == std::string("ASAN_OPTIONS") ? "detect_leaks=0" : ""));
  }
  return environment;
}

ChildProcess::ChildProcess(const Options& options) : patience_(options.patience) {
  std::vector<std::string> command = options.command;
  std::vector<std::string> variables = options.environment;
  const std::vector<char*> arguments = Pointers(command);
  const std::vector<char*> environment = Pointers(variables);
  if (options.terminal_columns != 0) {
    winsize size{};
    if (options.terminal_columns != kColumnsUntold) {
      size.ws_col = static_cast<unsigned short>(options.terminal_columns);
      size.ws_row = 50;
    }
    pid_ = forkpty(&out_, nullptr, nullptr, &size);
    if (pid_ == 0) Execute(options.user, arguments.data(), environment.data());
    in_ = fcntl(out_, F_DUPFD_CLOEXEC, 0);
    return;
  }
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  for (auto* const ends : {&in, &out, &err}) EXPECT_EQ(pipe2(ends->data(), O_CLOEXEC), 0);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    Execute(options.user, arguments.data(), environment.data());
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  in_ = in[1];
  out_ = out[0];
  err_ = err[0];
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Close(in_);
  Close(out_);
  Close(err_);
}

void ChildProcess::Write(std::string_view input) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  while (!input.empty()) {
    const ssize_t n = write(in_, input.data(), input.size());
    if (n < 0 && errno != EINTR) break;
    if (n > 0) input.remove_prefix(static_cast<size_t>(n));
  }
  signal(SIGPIPE, before);
}

void ChildProcess::CloseInput() { Close(in_); }

void ChildProcess::CloseOutput() { Close(out_); }

void ChildProcess::Signal(int signal) const { kill(pid_, signal); }

bool ChildProcess::ReadSome(absl::Duration timeout) {
  std::array<pollfd, 2> ends = {pollfd{.fd = out_, .events = POLLIN, .revents = 0},
                                pollfd{.fd = err_, .events = POLLIN, .revents = 0}};
  if (out_ < 0 && err_ < 0) return false;
  poll(ends.data(), ends.size(), static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].fd < 0 || ends[i].revents == 0) continue;
    std::array<char, 65536> buffer{};
    const ssize_t n = read(ends[i].fd, buffer.data(), buffer.size());
    // The other side of a terminal is closed when the program ends: EIO.
    if (n <= 0) {
      Close(i == 0 ? out_ : err_);
    } else {
      (i == 0 ? result_.out : result_.err).append(buffer.data(), static_cast<size_t>(n));
    }
  }
  return true;
}

bool ChildProcess::ReadUntil(const std::function<bool(const std::string& out)>& done) {
  const absl::Time deadline = absl::Now() + patience_;
  while (!done(result_.out)) {
    if (absl::Now() > deadline || !ReadSome(absl::Milliseconds(100))) return false;
  }
  return true;
}

Result ChildProcess::Wait() {
  const absl::Time deadline = absl::Now() + patience_;
  while (absl::Now() < deadline && ReadSome(absl::Milliseconds(100))) {
  }
  int status = 0;
  rusage usage{};
  while (wait4(pid_, &status, WNOHANG, &usage) == 0) {
    if (absl::Now() > deadline) {
      kill(pid_, SIGKILL);
      wait4(pid_, &status, 0, &usage);
      ADD_FAILURE() << "the program did not end";
      break;
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  pid_ = -1;
  result_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result_.resident_bytes_max = int64_t{1024} * usage.ru_maxrss;
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    result_.cpu_seconds +=
        static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }
  return std::move(result_);
}

Result RunProgram(const ChildProcess::Options& options, std::string_view input) {
  ChildProcess child(options);
  child.Write(input);
  child.CloseInput();
  return child.Wait();
}

}  // namespace skimwatch::testing
