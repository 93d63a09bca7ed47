#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_SPOE_SESSION_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_SPOE_SESSION_H_

#include <memory>

#include "agent/serving/session.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/source/mirror/copy_queue.h"

namespace skimwatch::traffic {

// What a connection of SPOP begins with: the upper byte of a frame's length, which is below 16 MiB.
inline constexpr char kSpopBegin = '\0';

// A connection over which HAProxy tells of requests, as an agent of its Stream Processing Offload
// Engine (SPOP 2.0: pipelining, fragments, health checks). A message has these arguments, by name:
//
//   method, path   both needed: `method`, `pathq`
//   headers        `req.hdrs`
//   body           `req.body`: as much as HAProxy's buffer holds
//   body_size      `req.body_size`: by it a body that the buffer did not hold is known as cut. Its
//                  other bytes never come, and are whatever the client says, so are not counted.
//   client         `src`
//
// and is passed on as a request in HTTP/1.1, a flow of its own. It is acknowledged as soon as it
// has come, and sets no variable.
//
// `queue` must outlive the session. The client's address of `info` is replaced by `client`.
std::unique_ptr<serving::Session> CreateSpoeSession(CopyQueue& queue, ByteFlow info);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_SPOE_SESSION_H_
