#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_PARSER_H_

#include <memory>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/stream_parser.h"

namespace skimwatch::traffic {

// Follows HTTP/1.0 and HTTP/1.1 (RFC 9112) in both directions, with libhtp as the parser.
//
// Parts, in order: the target of a request as sent; the head of a message as sent (of a response
// with its status line, and with those of interim responses before it); the body as it comes, with
// its codings undone; trailers and chunk extensions as headers again. Responses carry host, method
// and path of the request that they answer.
//
// Each direction has a libhtp parser of its own. One for both would stall until the other direction
// was heard (which may not be captured at all) and keep every unanswered request; what the
// directions must know of each other is little, and kept here: the requests that wait for an
// answer, in order. libhtp is given whole lines in heads and exact lengths in bodies, so that what
// it finds does not depend on how the stream was cut into packets, and it never buffers.
//
// After an upgrade (101) to `websocket` or `h2c` the flow is followed as that. What breaks the
// rules, and what follows any other upgrade or a successful CONNECT, is given back.
std::unique_ptr<StreamParser> CreateHttpParser(FlowContext& flow);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_PARSER_H_
