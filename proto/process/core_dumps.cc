#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

#include "proto/process/process.h"

namespace skimwatch::process {

absl::Status ForbidCoreDumps() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    return absl::ErrnoToStatus(errno, "cannot forbid core dumps: setrlimit(RLIMIT_CORE)");
  }
  // The limit does not hold for a core_pattern that pipes to a program; this does. It also keeps
  // other processes of the same user from attaching.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot forbid core dumps: prctl(PR_SET_DUMPABLE)");
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::process
