#include "collector/ctl/terminal.h"

#include <unistd.h>

#include <iostream>

#include "proto/text/columns.h"

namespace skimwatch::ctl {

bool IsInteractive() { return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1; }

size_t OutputColumns() { return text::TerminalColumns(STDOUT_FILENO); }

absl::StatusOr<std::string> Ask(std::string_view question) {
  if (!IsInteractive()) return absl::FailedPreconditionError("there is nobody to ask");
  std::cerr << question << std::flush;
  std::string answer;
  if (!std::getline(std::cin, answer)) {
    std::cerr << "\n";
    return absl::CancelledError("no answer");
  }
  return answer;
}

}  // namespace skimwatch::ctl
