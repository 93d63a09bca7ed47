#ifndef SKIMWATCH_AGENT_TRAFFIC_BYTE_FLOW_H_
#define SKIMWATCH_AGENT_TRAFFIC_BYTE_FLOW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/traffic/message.h"

namespace skimwatch::traffic {

// What a source knows of a flow that it has as two ordered streams of bytes, rather than as
// packets.
struct ByteFlow {
  // Empty, or port 0, where not known.
  Address client;
  Address server;
  // The requests go out from the watched host; else they come in.
  bool is_outbound = true;
  // Else content tells which end is the client. Until it does, `client` is the one on the watched
  // host, `server` the other one, and `is_outbound` is true.
  bool client_is_known = true;
  // The process on the watched host, and what the client called the server in TLS, in lower case;
  // null and empty where not known.
  std::shared_ptr<const Process> process;
  std::string server_name;
  // With which whoever gave it to the source had chosen the flow, in (0, 1].
  double sampling_probability = 1.0;
};

// Takes flows of ordered bytes from a source, on the thread of the source. A source numbers its
// flows as it likes, and uses a number again only after OnEnd.
class ByteFlowHandler {
 public:
  virtual ~ByteFlowHandler() = default;
  virtual void OnOpen(uint64_t flow, const ByteFlow& info, absl::Time now) = 0;
  virtual void OnData(uint64_t flow, bool from_client, std::string_view bytes, absl::Time now) = 0;
  // `bytes` were seen here and let go, for lack of room. The source has counted them.
  virtual void OnShed(uint64_t flow, bool from_client, uint64_t bytes, absl::Time now) = 0;
  virtual void OnEnd(uint64_t flow, absl::Time now) = 0;
  // Nothing came for a while and the clock stands at `now`.
  virtual void OnIdle(absl::Time now) = 0;
  // The source has ended: everything that is open is closed.
  virtual void Flush() = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_BYTE_FLOW_H_
