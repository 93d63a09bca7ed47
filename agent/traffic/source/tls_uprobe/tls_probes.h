#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_TLS_PROBES_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_TLS_PROBES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// OK where this process may use TLS probes on this kernel. PERMISSION_DENIED and UNIMPLEMENTED say
// everything that is missing.
absl::Status CheckTlsProbeSupport();

// What the programs of this host pass through TLS, in the clear: eBPF probes at the functions of
// their TLS libraries. Only looks: no byte is held up or altered, no key is needed, and when the
// reader is slow the kernel drops, which is counted.
//
// Files with TLS functions are found among everything that the kernel maps for execution, in the
// processes that run at Open and from then on in every program as it starts and every library as it
// is loaded, also in containers; each file gets its probes once, for all processes. Which socket a
// connection uses is seen where the program sends on it; the server's name where it sets it. What
// is not known is left empty. The agent's own connections are left out.
//
// Plain text lies in the kernel's ring until it is written over: zeros are written over it when
// nothing came for a while. Owns two threads: one looks for files, one reads.
//
//   auto probes = TlsProbes::Open(TlsProbes::Options::FromConfig(config.tls_probes()), coverage,
//                                 {&handler});
//   (*probes)->Start();
//   ...
//   (*probes)->Stop();  // flushes the handlers
class TlsProbes {
 public:
  struct Options {
    // Which processes a handler gets: of one, the first that matches.
    struct Selection {
      // Globs of an executable's path or name; none means all.
      std::vector<std::string> processes;
      std::vector<std::string> exclude_processes;
    };
    std::vector<Selection> selections;
    // Globs of files to look at; none means all.
    std::vector<std::string> libraries;
    // Rounded up to a power of two.
    uint32_t ring_mib = 16;
    uint32_t call_bytes_max = 1 << 20;
    // Take what programs receive, too.
    bool reads = false;
    absl::Duration rescan_interval = absl::Minutes(10);
    // How long a connection's first bytes wait for its address to be seen.
    absl::Duration address_wait = absl::Milliseconds(25);
    // Connections followed at once; the one silent longest makes room.
    uint32_t connections_max = 65536;
    absl::Duration connection_idle = absl::Minutes(5);

    // Of all entries together; unset fields take the defaults above.
    static Options FromConfig(
        const google::protobuf::RepeatedPtrField<config::v1::TlsProbe>& probes,
        const config::v1::Limits& limits);
  };

  struct Stats {
    // Gauges: files with probes, connections followed, processes known.
    uint64_t files = 0;
    uint64_t connections = 0;
    uint64_t processes = 0;
    uint64_t files_examined = 0;
    // Files that lost their probes because somebody wrote to them.
    uint64_t files_written = 0;
    // Files and processes that were gone before they could be looked at.
    uint64_t files_gone = 0;
    uint64_t processes_gone = 0;
    // Files of watched processes that hold a TLS library without functions for probes.
    uint64_t files_hidden = 0;
    // Files that could not be read or probed.
    uint64_t errors = 0;
    std::string last_error;
    // Pieces that came from the kernel, and what the ring had no room for.
    uint64_t pieces = 0;
    uint64_t dropped_pieces = 0;
    uint64_t dropped_bytes = 0;
    // Calls of which only the return was seen, such as those under way when the probes came.
    uint64_t unmatched_returns = 0;
    uint64_t connections_opened = 0;
    // Of those, how many were reported without the remote address.
    uint64_t connections_without_address = 0;
    // Notices of mapped files that the kernel dropped; each time all processes are looked at.
    uint64_t lost_notices = 0;
    uint64_t rescans = 0;
    // Times that the ring was written over with zeros.
    uint64_t wipes = 0;
  };

  // Loads the programs and sets probes for the processes that run. `handlers` has one for each of
  // the selections. PERMISSION_DENIED or UNIMPLEMENTED where rights or the kernel are missing, with
  // everything that is. `coverage` and the handlers must outlive it.
  static absl::StatusOr<std::unique_ptr<TlsProbes>> Open(const Options& options, Coverage& coverage,
                                                         std::vector<ByteFlowHandler*> handlers);
  // Stops.
  virtual ~TlsProbes() = default;

  virtual void Start() = 0;
  // Takes the probes out, delivers what is in the ring and flushes the handlers. Idempotent.
  virtual void Stop() = 0;

  // Thread-safe.
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_TLS_PROBES_H_
