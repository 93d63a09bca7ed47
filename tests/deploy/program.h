#ifndef SKIMWATCH_TESTS_DEPLOY_PROGRAM_H_
#define SKIMWATCH_TESTS_DEPLOY_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/daemon.h"

namespace skimwatch::testing {

struct Outcome {
  int exit_code = -1;
  // Standard output and standard error, as they came.
  std::string output;
};

// Runs a program from the PATH to its end. Exit code 127: there is no such program.
Outcome RunTool(const std::vector<std::string>& arguments);

// A program in the background, its output in a file. Killed when destroyed.
class BackgroundProgram {
 public:
  BackgroundProgram(const std::vector<std::string>& arguments, std::string log);
  ~BackgroundProgram();
  BackgroundProgram(const BackgroundProgram&) = delete;
  BackgroundProgram& operator=(const BackgroundProgram&) = delete;

  bool IsRunning();
  std::string Log() const;

 private:
  const std::string log_;
  pid_t pid_ = 0;
};

// A TCP port of 127.0.0.1 that nobody listens on.
int FreePort();

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_DEPLOY_PROGRAM_H_
