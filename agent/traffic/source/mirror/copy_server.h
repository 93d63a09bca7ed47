#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_COPY_SERVER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_COPY_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/serving/socket_server.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// Listens for web servers and proxies that send copies of what they pass on (HTTP mirrors, SPOE,
// ICAP), answers them at once, and hands the copies to a ByteFlowHandler.
//
// Never in the way: answers do not wait for a scan. What comes faster than it can be scanned is let
// go once `queue_bytes_max` wait, and counted as kShedQueueFull. The link is not encrypted, so
// `listen` is an address that only this machine reaches unless `allows_remote` says otherwise.
//
// Owns two threads: the server's and the handler's. Thread-safe.
class CopyServer {
 public:
  enum class Protocol : uint8_t { kHttp, kIcap };

  struct Options {
    Protocol protocol = Protocol::kHttp;
    // `address:port`, `[v6]:port`, or `unix:/path`; a stale socket of a run before is replaced.
    std::string listen;
    bool allows_remote = false;
    // The copied requests go out from the watched host; else they come in.
    bool is_outbound = true;
    uint32_t connections_max = 256;
    size_t queue_bytes_max = 16u << 20;
    absl::Duration idle_max = absl::Seconds(120);

    static Options FromConfig(const config::v1::HttpMirror& config);
    static Options FromConfig(const config::v1::IcapServer& config);
  };

  using Stats = serving::SocketServer::Stats;

  // Listens: whoever connects waits until Start. INVALID_ARGUMENT: `listen`; UNAVAILABLE: it can't
  // be listened on. `coverage` must outlive the server; `handler` is used on one thread of it.
  static absl::StatusOr<std::unique_ptr<CopyServer>> Listen(
      const Options& options, Coverage& coverage, std::unique_ptr<ByteFlowHandler> handler);
  // Stops.
  virtual ~CopyServer() = default;

  // Takes connections from here on. Once.
  virtual void Start() = 0;

  // Ends all connections, hands over what came, flushes the handler and ends the threads.
  // Idempotent.
  virtual void Stop() = 0;
  // 0 for a socket in the file system.
  virtual int port() const = 0;
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_COPY_SERVER_H_
