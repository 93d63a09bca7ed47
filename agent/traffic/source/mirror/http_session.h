#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_HTTP_SESSION_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_HTTP_SESSION_H_

#include <memory>

#include "agent/serving/session.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/source/mirror/copy_queue.h"

namespace skimwatch::traffic {

// A connection over which a web server or proxy sends copies of requests, in HTTP/1.1 (nginx
// `mirror`), in HTTP/2 with prior knowledge (Envoy), or by SPOE (HAProxy; see spoe_session.h), as
// its first bytes show. All that comes in HTTP is passed on as it is, to be decoded like any other
// traffic; each request is answered with 204 as soon as it is complete.
//
// `queue` must outlive the session. `info` describes the flow that the connection is passed on as.
std::unique_ptr<serving::Session> CreateHttpSession(CopyQueue& queue, ByteFlow info);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_HTTP_SESSION_H_
