#ifndef SKIMWATCH_COLLECTOR_CONSOLE_HTTP_SERVER_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/console/http.h"
#include "skimwatch/config/v1/tls.pb.h"

namespace skimwatch::console {

// HTTP/1.1 for browsers, over TLS that asks for a client certificate (libmicrohttpd with GnuTLS),
// or in the clear on loopback. A client without a certificate is served too, with an empty one in
// its peer: what it may do is for the handler to say.
//
// Certificates are read again when their files change; connections that stand keep theirs.
//
// Thread-safe. The handler is called on threads of the server, several at once, and may wait for
// the store.
class HttpServer {
 public:
  // Of requests. What is above is refused with 400, 413, 414 or 431 before the handler sees it.
  static constexpr size_t kHeaderBytesMax = size_t{32} << 10;
  static constexpr size_t kBodyBytesMax = size_t{64} << 10;
  static constexpr size_t kPairsMax = 64;

  struct Options {
    // `address:port`; port 0 takes a free one.
    std::string listen;
    config::v1::Tls tls;
    uint32_t connections_max = 256;
    std::function<Response(const Request&)> handle;
    // How long a connection may say nothing.
    absl::Duration idle_max = absl::Seconds(30);
  };

  // INVALID_ARGUMENT: `listen` is no address, or certificates that can't be used. UNAVAILABLE: it
  // can't be listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options);

  // Ends all connections.
  virtual ~HttpServer() = default;
  virtual int port() const = 0;
  // Requests that were refused before the handler saw them.
  virtual uint64_t refused() const = 0;
};

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_HTTP_SERVER_H_
