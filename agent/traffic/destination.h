#ifndef SKIMWATCH_AGENT_TRAFFIC_DESTINATION_H_
#define SKIMWATCH_AGENT_TRAFFIC_DESTINATION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/traffic/message.h"

namespace skimwatch::traffic {

// Where a flow that can't be read goes to, as its beginning says.
struct DestinationObservation {
  // Who and where. `protocol` is kTls or kQuic; `host` the server name that the client asks for
  // (SNI, RFC 6066 3), empty where it names none; `method` and what else speaks of messages is
  // empty.
  Provenance provenance;
  // Protocols that the client offers (RFC 7301), the preferred one first.
  std::vector<std::string> alpn;
  // Fingerprint of the client (client_hello.h); empty without a ClientHello.
  std::string ja4;
  // The name may be another than that of the site: the client has encrypted the true one (ECH).
  bool has_encrypted_hello = false;
};

// Takes what is seen of destinations. Called on the thread of the source; an implementation is
// thread-safe when several sources share it.
class DestinationSink {
 public:
  virtual ~DestinationSink() = default;
  // Once for each flow in which a ClientHello was seen. `observation` is valid during the call.
  virtual void OnDestination(const DestinationObservation& observation) = 0;
  // `bytes` more were sent in a flow that can't be read, `flow_bytes` in all. Called every so many
  // bytes, and when the flow ends. `provenance` is as in DestinationObservation and valid during
  // the call.
  virtual void OnUnreadable(const Provenance& provenance, uint64_t bytes, uint64_t flow_bytes) {
    static_cast<void>(provenance);
    static_cast<void>(bytes);
    static_cast<void>(flow_bytes);
  }
  // A client of the watched host asked for `name` and was told that it leads to `address`.
  virtual void OnResolved(std::string_view name, std::string_view address) {
    static_cast<void>(name);
    static_cast<void>(address);
  }
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_DESTINATION_H_
