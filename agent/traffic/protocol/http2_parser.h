#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_PARSER_H_

#include <memory>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/http_request.h"
#include "agent/traffic/protocol/stream_parser.h"

namespace skimwatch::traffic {

// Follows HTTP/2 (RFC 9113) in both directions: by prior knowledge, after an upgrade, and from the
// middle of a connection.
//
// Frames are cut here and not by nghttp2's session, which is an end of a connection: it answers,
// insists on having seen everything, and knows one direction's streams only from the other's point
// of view. HPACK is nghttp2's (hpack_decoder.h).
//
// Parts, by stream: the target of a request (its `:path`); the fields of a head, a pushed request
// or trailers as `name: value` lines; the body with its coding undone (http_payload.h: gRPC
// messages, events and tunnels as what they are). A WebSocket over HTTP/2 (RFC 8441) is followed as
// one. What frames carry beside (PING, GOAWAY, extensions, padding that is not zero) is passed as a
// stream.
//
// Bounds: heads are passed on as they are decoded, up to 256 KiB of them, and what a block yields
// beyond is counted as truncated, so that neither a bomb of references nor endless CONTINUATION
// costs memory; at most 256 streams a connection are remembered, and in all what the decoder's
// `parser_memory` has room for. A stream that was forgotten goes on as one whose head was not seen.
//
// What breaks the rules of frames is given back.
std::unique_ptr<StreamParser> CreateHttp2Parser(FlowContext& flow);

// The same for a connection that became HTTP/2 by an upgrade with `request`, whose answer is stream
// 1 (RFC 7540 3.2).
std::unique_ptr<StreamParser> CreateUpgradedHttp2Parser(FlowContext& flow, HttpRequest request);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_PARSER_H_
