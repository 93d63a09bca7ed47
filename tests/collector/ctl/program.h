#ifndef SKIMWATCH_TESTS_COLLECTOR_CTL_PROGRAM_H_
#define SKIMWATCH_TESTS_COLLECTOR_CTL_PROGRAM_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/collector/support/operator_server.h"
#include "tests/support/child_process.h"

namespace skimwatch::testing {

// The skimwatchctl that was built, run as an operator runs it. No configuration of whoever runs the
// tests gets in.
class Ctl {
 public:
  // With no options at all.
  explicit Ctl(const TempFolder& folder);
  // With the address of `server` and the certificate of `name`.
  Ctl(OperatorServer& server, const std::string& name);

  // Ends when the program does, which must be within 20 s.
  Result Run(const std::vector<std::string>& arguments, const std::string& input = "") const;

  // Runs it on a terminal of `columns`. `type` is called with what the screen shows whenever that
  // grows, and returns what is typed then.
  Result RunOnTerminal(
      const std::vector<std::string>& arguments, int columns,
      const std::function<std::string(const std::string& screen, pid_t)>& type) const;

  // Stand before the arguments of each run.
  std::vector<std::string> options;
  // `NAME=value`.
  std::vector<std::string> environment;

 private:
  std::vector<std::string> Command(const std::vector<std::string>& arguments) const;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_CTL_PROGRAM_H_
