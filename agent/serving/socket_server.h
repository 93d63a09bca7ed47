#ifndef SKIMWATCH_AGENT_SERVING_SOCKET_SERVER_H_
#define SKIMWATCH_AGENT_SERVING_SOCKET_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/serving/session.h"

namespace skimwatch::serving {

// The other end of a connection.
struct Peer {
  // In numbers; empty for a process that came by a socket in the file system.
  std::string address;
  uint16_t port = 0;
  // This machine, or an address that no router of the Internet carries (RFC 1918, RFC 4193, link
  // local): a proxy of one's own rather than anybody.
  bool is_private = true;
};

// Listens on an address or a socket in the file system, and runs a Session for each connection.
//
// Bounded: connections beyond `connections_max` are refused, silent ones ended, and both counted.
// What came is wiped once a session has seen it. Owns one thread, on which all sessions run.
// Thread-safe.
class SocketServer {
 public:
  struct Options {
    // `address:port`, `[v6]:port`, or `unix:/path`; a stale socket of a run before is replaced.
    // Whoever may enter its folder may connect to it.
    std::string listen;
    bool allows_remote = false;
    uint32_t connections_max = 256;
    absl::Duration idle_max = absl::Seconds(120);
    // What peers are to speak, for the log: `HTTP`.
    std::string protocol;
    // What is sent in the clear, for the error: `copies`.
    std::string what;
  };

  struct Stats {
    uint64_t connections = 0;
    // Gauge.
    uint64_t connections_open = 0;
    // Not taken, since `connections_max` were open.
    uint64_t connections_refused = 0;
    uint64_t requests = 0;
    // Of those, how many had a body of which the peer had only the beginning.
    uint64_t requests_cut = 0;
    // Connections that were ended since what came was not of the protocol. `last_error` says what
    // was wrong and from which peer.
    uint64_t errors = 0;
    std::string last_error;
  };

  using SessionFactory = std::function<std::unique_ptr<Session>(const Peer& peer)>;

  // Listens: whoever connects waits until Start. `make_session` is called on the server's thread.
  // INVALID_ARGUMENT: `listen`; UNAVAILABLE: it can't be listened on.
  static absl::StatusOr<std::unique_ptr<SocketServer>> Listen(const Options& options,
                                                              SessionFactory make_session);
  // What Listen says of `listen` before it listens, in the words of the configuration.
  static absl::Status CheckListen(const std::string& listen, bool allows_remote,
                                  std::string_view what);
  // Stops.
  virtual ~SocketServer() = default;

  // Takes connections from here on. Once.
  virtual void Start() = 0;

  // Ends all connections and the thread. Idempotent.
  virtual void Stop() = 0;
  // 0 for a socket in the file system.
  virtual int port() const = 0;
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::serving

#endif  // SKIMWATCH_AGENT_SERVING_SOCKET_SERVER_H_
