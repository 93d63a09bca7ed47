#ifndef SKIMWATCH_TESTS_SUPPORT_CHILD_PROCESS_H_
#define SKIMWATCH_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace skimwatch::testing {

// How a program ended.
struct Result {
  // Exit code, or 128 + signal.
  int code = -1;
  // Standard output and error; on a terminal all of it is in `out`.
  std::string out;
  std::string err;
  // The most memory it had, from wait4(2).
  int64_t resident_bytes_max = 0;
  // Processor time of all its threads, its own and the kernel's for it.
  double cpu_seconds = 0;
};

// `NAME=value` for a program under test: the sanitizers' settings of the test but for the look for
// leaks, which attaches to the process, which our programs forbid.
std::vector<std::string> SanitizerEnvironment();

// A program under test, with pipes for its standard input, output and error, or on a terminal.
// A failure is added when it does not end within `patience` of the wait for its end; it never
// outlives the test.
class ChildProcess {
 public:
  static constexpr int kColumnsUntold = -1;
  static constexpr absl::Duration kPatience = absl::Seconds(60);

  struct Options {
    // The program's path, and its arguments.
    std::vector<std::string> command;
    std::vector<std::string> environment;
    // Columns of a terminal; 0 for pipes, kColumnsUntold for a terminal that does not tell them.
    int terminal_columns = 0;
    // To run as, when the test runs as root; 0 for the same.
    uid_t user = 0;
    // How long its end is waited for.
    absl::Duration patience = kPatience;
  };

  explicit ChildProcess(const Options& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Typed on the terminal, or written to standard input; waits while the pipe is full. Nothing when
  // the program has ended.
  void Write(std::string_view input);
  void CloseInput();
  // The reader goes away: writing is EPIPE.
  void CloseOutput();
  // Reads until `done` says so of all output so far. False when the program ended or patience did
  // before.
  bool ReadUntil(const std::function<bool(const std::string& out)>& done);
  void Signal(int signal) const;
  // Reads all output and waits for the end.
  Result Wait();

 private:
  // Reads what comes within `timeout`; false when both ends are closed.
  bool ReadSome(absl::Duration timeout);

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
  const absl::Duration patience_;
  Result result_;
};

// Runs a program to its end.
Result RunProgram(const ChildProcess::Options& options, std::string_view input = "");

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_SUPPORT_CHILD_PROCESS_H_
