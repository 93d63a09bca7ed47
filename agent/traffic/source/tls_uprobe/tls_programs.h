#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_TLS_PROGRAMS_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_TLS_PROGRAMS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "agent/traffic/source/tls_uprobe/bpf_link.h"
#include "agent/traffic/source/tls_uprobe/probe_records.h"

struct tls_probe;

namespace skimwatch::traffic {

// The eBPF programs of tls_probe.bpf.c in the kernel. They run until it is destroyed. Thread-safe,
// but for SetProbes: one thread at a time.
class TlsPrograms {
 public:
  struct Options {
    // A power of two and a multiple of the page size.
    uint32_t ring_bytes = 16 << 20;
    uint32_t call_bytes_max = 1 << 20;
    // Set probes at reads too.
    bool reads = false;
  };

  static absl::StatusOr<std::unique_ptr<TlsPrograms>> Load(const Options& options);
  ~TlsPrograms();
  TlsPrograms(const TlsPrograms&) = delete;
  TlsPrograms& operator=(const TlsPrograms&) = delete;

  // The functions of TLS libraries that have a probe.
  absl::Span<const std::string_view> functions() const { return names_; }
  // Whether plain text passes through that function: a file with none of those has no use.
  static bool CarriesText(size_t function);
  // Sets the probes of a function at an offset in the file open as `fd`, for all processes.
  absl::StatusOr<std::vector<BpfLink>> SetProbes(int fd, size_t function, uint64_t offset);

  // For ring_buffer__new.
  int ring_fd() const;
  // What the kernel knows of a connection; nothing when it is gone.
  std::optional<skimwatch_connection> Find(const skimwatch_connection_key& key, uint64_t id) const;
  // From now on nothing comes of that process.
  void Ignore(pid_t pid, uint64_t start_ns);
  skimwatch_probe_counters Counters() const;
  // Writes zeros over up to 16 KiB of the ring that are free; false when it has no such room.
  bool WipePiece();

  // `sock_send_length`, `tcp_sendmsg`, or empty where neither can be had: how the addresses of
  // connections are found.
  const std::string& address_source() const { return address_source_; }

 private:
  TlsPrograms() = default;

  tls_probe* skeleton_ = nullptr;
  BpfLink sends_;
  BpfLink receives_;
  std::string address_source_;
  std::vector<std::string_view> names_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_TLS_PROGRAMS_H_
