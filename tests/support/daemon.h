#ifndef SKIMWATCH_TESTS_SUPPORT_DAEMON_H_
#define SKIMWATCH_TESTS_SUPPORT_DAEMON_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace skimwatch::testing {

// Asks again every few milliseconds until `done`; false when `patience` runs out before.
bool WaitUntil(const std::function<bool()>& done, absl::Duration patience = absl::Seconds(30));

std::string ReadFile(const std::string& path);

// A GET of a path on a port of 127.0.0.1: status line, headers and body; empty when nobody answers.
std::string HttpGet(int port, const std::string& path);

// A program of this build that runs until it is told to end: with --config and --port-file, and its
// log in a file. It never outlives the test.
class Daemon {
 public:
  struct Options {
    // Of SKIMWATCH_BIN_DIR.
    std::string program;
    // For `<program>.yaml`, `<program>.log` and `<program>.ports`.
    std::string folder;
    // `NAME=value`, beside the test's own.
    std::vector<std::string> environment;
  };

  explicit Daemon(Options options);
  // Kills it.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Writes the configuration and waits until the program said which ports it took. A fatal failure
  // with the program's log when it ends before.
  void Start(const std::string& config_yaml);
  // Sends a signal and waits for the end; returns waitpid's status.
  int Stop(int signal);
  bool IsRunning() const;

  pid_t pid() const { return pid_; }
  // A port by its name in the port file; 0 when there is none.
  int port(const std::string& name) const;
  // Everything that the program logged, over all its runs.
  std::string Log() const;

 private:
  std::string File(const std::string& suffix) const;

  const Options options_;
  pid_t pid_ = 0;
  std::map<std::string, int> ports_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_SUPPORT_DAEMON_H_
