#ifndef SKIMWATCH_PROTO_PROCESS_PROCESS_H_
#define SKIMWATCH_PROTO_PROCESS_PROCESS_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/process.pb.h"

namespace skimwatch::process {

// `0.1.0` and the source revision it was built from.
std::string_view Version();
std::string_view Revision();

// Sets up spdlog for the program: level and format of the configuration, one event a line on
// standard error, whatever bytes the event holds. INVALID_ARGUMENT: no such level or format.
absl::Status SetUpLogging(const config::v1::Logging& logging, std::string_view program);

// Keeps memory out of core dumps and debuggers: PR_SET_DUMPABLE off, RLIMIT_CORE 0.
absl::Status ForbidCoreDumps();

// Lets the heap keep up to 8 MiB of what was freed. Each flow takes and gives back some large
// blocks; a heap that shrinks and grows with them spends half of its program's time in madvise(2).
// Call before any thread is started.
void KeepFreedMemory();

// What the end of the terminal, or a program that wants files read anew, means (SIGHUP).
enum class Hangup {
  // Nothing but a line in the log: a service goes on. Certificates are read anew by themselves, and
  // a configuration when it starts.
  kIgnored,
  // The end: a command has nobody left to answer.
  kEnds,
};

// Blocks SIGINT, SIGTERM and SIGHUP in this thread and those started after it, ignores SIGPIPE.
// Call before any thread is started.
void BlockTerminationSignals();
// Waits for SIGINT or SIGTERM; true when one came, false after `timeout`.
bool WaitForTerminationSignal(absl::Duration timeout, Hangup hangup = Hangup::kIgnored);

// Says which ports a program took, for scripts that ask for port 0: a line `name=port` each, in a
// file that is there as a whole or not at all. UNAVAILABLE names the file.
absl::Status WritePortFile(const std::string& path,
                           std::initializer_list<std::pair<std::string_view, int>> ports);

// Tells the service manager about this process, by the protocol of sd_notify(3): `state` is lines
// of assignments such as `READY=1`, `STOPPING=1` or `STATUS=draining`. One datagram to the socket
// that NOTIFY_SOCKET names; nothing where it names none, as outside of systemd. A failure is
// logged.
void NotifyServiceManager(std::string_view state);

}  // namespace skimwatch::process

#endif  // SKIMWATCH_PROTO_PROCESS_PROCESS_H_
