#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_RETURN_PROBE_CHECK_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_RETURN_PROBE_CHECK_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/traffic/source/tls_uprobe/bpf_link.h"

namespace skimwatch::traffic {

// Whether a program with a seccomp filter, as containers and services have, lives through a probe
// at a function's return. Linux 6.11 brought a system call for those that filters did not know,
// which ends such programs; later versions let it pass. Told not by the kernel's version but by
// trying it on a child of this process: UNIMPLEMENTED where the child does not get through.
//
// `set_probe` sets a probe at the return of the function at that offset of the file open as `fd`.
absl::Status CheckReturnProbes(
    const std::function<absl::StatusOr<BpfLink>(int fd, uint64_t offset)>& set_probe);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_RETURN_PROBE_CHECK_H_
