#ifndef SKIMWATCH_COLLECTOR_CTL_COMMAND_LINE_H_
#define SKIMWATCH_COLLECTOR_CTL_COMMAND_LINE_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "collector/ctl/options.h"
#include "collector/ctl/session.h"

namespace skimwatch::ctl {

using Command = absl::StatusOr<int> (*)(const Options& options, Session& session);

// What a command line asks for.
struct Invocation {
  // Null when `text` is all that was asked for.
  Command command = nullptr;
  Options options;
  // Help, the version or a completion script, for standard output.
  std::string text;
};

// INVALID_ARGUMENT says what is wrong and never shows digits that could be a card number: somebody
// may have put one there.
absl::StatusOr<Invocation> ParseCommandLine(std::span<char*> arguments);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_COMMAND_LINE_H_
