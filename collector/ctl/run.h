#ifndef SKIMWATCH_COLLECTOR_CTL_RUN_H_
#define SKIMWATCH_COLLECTOR_CTL_RUN_H_

#include <span>

namespace skimwatch::ctl {

// Runs skimwatchctl on the command line `arguments` (the program's name first) and returns its exit
// code: 0 done, 1 `card check` says that the card was not seen or `audit verify` that something was
// altered, 2 an error, which standard error explains.
int Run(std::span<char*> arguments);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_RUN_H_
