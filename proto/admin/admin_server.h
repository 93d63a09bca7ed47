#ifndef SKIMWATCH_PROTO_ADMIN_ADMIN_SERVER_H_
#define SKIMWATCH_PROTO_ADMIN_ADMIN_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "prometheus/collectable.h"

namespace skimwatch::admin {

// A small HTTP endpoint for machines that watch the program:
//
//   /metrics  what the Collectables say, in Prometheus' text format
//   /healthz  200 while the process answers
//   /readyz   200 when `ready` says OK, else 503 with its message
//
// Everything else is 404, everything but GET and HEAD is 405. There is no secret behind it and no
// authentication before it: keep it on loopback, or behind something that authenticates.
//
// Thread-safe. Serves on two threads of its own until it is destroyed.
//
//   auto admin = AdminServer::Start({.listen = "127.0.0.1:9465",
//                                    .collectables = {registry},
//                                    .ready = [&] { return agent.Ready(); }});
class AdminServer {
 public:
  struct Options {
    // `address:port` or `[v6]:port`; port 0 takes a free one (see port()).
    std::string listen;
    // Asked anew for every scrape, on a thread of the server.
    std::vector<std::shared_ptr<prometheus::Collectable>> collectables;
    // Must not block for long. Absent: always ready.
    std::function<absl::Status()> ready;
  };

  // INVALID_ARGUMENT: `listen` is not an address and port. UNAVAILABLE: it can't be listened on.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(Options options);

  virtual ~AdminServer() = default;
  // The port that is listened on.
  virtual int port() const = 0;
};

}  // namespace skimwatch::admin

#endif  // SKIMWATCH_PROTO_ADMIN_ADMIN_SERVER_H_
