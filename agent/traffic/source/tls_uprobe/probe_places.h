#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBE_PLACES_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBE_PLACES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "agent/traffic/source/tls_uprobe/elf_functions.h"

namespace skimwatch::traffic {

// Moves probes to where they cost less. On x86-64 the kernel carries out a `push` under a probe by
// itself, and lets the processor step through most other instructions, with a second exception,
// which in a virtual machine leads to the host: some ten times the cost. Of `functions` in the file
// open as `fd`:
//
// - one that begins with `endbr64` and a push gets its probe at the push;
// - SSL_write and SSL_read of OpenSSL 3 that do no more than call what they share with SSL_write_ex
//   and SSL_read_ex, in instructions that are all understood, give way to that: it is entered with
//   the arguments of the latter, begins with a push, and returns what they return.
//
// `names` are those that `functions` count by. What is not understood stays as it is; nothing is
// moved on other architectures.
std::vector<ElfFunction> CheapPlaces(int fd, std::vector<ElfFunction> functions,
                                     absl::Span<const std::string_view> names);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBE_PLACES_H_
