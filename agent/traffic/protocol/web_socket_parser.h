#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_WEB_SOCKET_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_WEB_SOCKET_PARSER_H_

#include <memory>
#include <string_view>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/http_request.h"
#include "agent/traffic/protocol/stream_parser.h"

namespace skimwatch::traffic {

// Follows a WebSocket in both directions (web_socket_stream.h), which `request` has opened and
// whose answer has said `extensions` in Sec-WebSocket-Extensions.
std::unique_ptr<StreamParser> CreateWebSocketParser(FlowContext& flow, const HttpRequest& request,
                                                    std::string_view extensions);

// The same for one whose handshake was not seen.
std::unique_ptr<StreamParser> CreateJoinedWebSocketParser(FlowContext& flow);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_WEB_SOCKET_PARSER_H_
