#ifndef SKIMWATCH_COLLECTOR_CTL_TERMINAL_H_
#define SKIMWATCH_COLLECTOR_CTL_TERMINAL_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace skimwatch::ctl {

// Whether a person sits at standard input and sees standard error, and can be asked.
bool IsInteractive();

// Columns of the terminal that standard output goes to; 0, which means no limit, for a file or
// pipe.
size_t OutputColumns();

// Asks a person for a line. FAILED_PRECONDITION when there is none to ask.
absl::StatusOr<std::string> Ask(std::string_view question);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_TERMINAL_H_
