#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_ICAP_SESSION_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_ICAP_SESSION_H_

#include <memory>

#include "agent/serving/session.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/source/mirror/copy_queue.h"

namespace skimwatch::traffic {

// A connection over which an egress proxy hands over requests and responses by ICAP (RFC 3507):
// OPTIONS, REQMOD, RESPMOD, previews, 204.
//
// Nothing is ever modified. A client that takes 204 gets it as soon as the body is complete; one
// that does not gets its message back while it comes, so that nothing waits for a scan and nothing
// is held but the preview. Each transaction is passed on as a flow of its own, its bodies in
// chunked coding, whatever lengths the encapsulated heads name.
//
// What a request carries is passed on in REQMOD; in RESPMOD it is only named, for its response.
//
// `queue` must outlive the session. The client's address of `info` is replaced by the one that a
// proxy names in X-Client-IP.
std::unique_ptr<serving::Session> CreateIcapSession(CopyQueue& queue, ByteFlow info);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_ICAP_SESSION_H_
