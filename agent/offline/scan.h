#ifndef SKIMWATCH_AGENT_OFFLINE_SCAN_H_
#define SKIMWATCH_AGENT_OFFLINE_SCAN_H_

#include "agent/offline/scan_options.h"

namespace skimwatch::offline {

// Exit codes of `skimwatch-agent scan`, after those of grep the other way round: a pipeline that
// stops at anything but 0 stops at findings and at what could not be scanned.
inline constexpr int kExitNothingFound = 0;
inline constexpr int kExitFound = 1;
// Something was not scanned, wholly or in part, whether or not there were findings elsewhere.
inline constexpr int kExitError = 2;

// Scans what the options name and writes what is found to standard output as it is found, the rest
// to standard error. Returns the exit code; 128 + the signal when SIGINT or SIGTERM ended it, after
// what was found until then was written.
//
// For the main thread of a process that has no other work: it forbids core dumps, blocks the two
// signals (the second of them kills) and ignores SIGPIPE.
int RunScan(const ScanOptions& options);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SCAN_H_
