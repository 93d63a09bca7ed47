#ifndef SKIMWATCH_AGENT_OFFLINE_SCAN_COMMAND_H_
#define SKIMWATCH_AGENT_OFFLINE_SCAN_COMMAND_H_

#include "agent/offline/scan_options.h"

namespace CLI {
class App;
}

namespace skimwatch::offline {

// Adds the command line of `skimwatch-agent scan` to `app`, to be parsed into `options`, which must
// outlive the parsing.
//
//   ScanOptions options;
//   const CLI::App* scan = AddScanCommand(app, options);
//   app.parse(argc, argv);
//   if (scan->parsed()) return RunScan(options);
//
// An error of the command line is the caller's to show; its exit code is kExitError, and since it
// quotes what may be a card number it is shown by way of ShownText.
const CLI::App* AddScanCommand(CLI::App& app, ScanOptions& options);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SCAN_COMMAND_H_
