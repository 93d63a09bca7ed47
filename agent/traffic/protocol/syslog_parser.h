#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_SYSLOG_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_SYSLOG_PARSER_H_

#include <memory>
#include <string_view>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/stream_parser.h"

namespace skimwatch::traffic {

// Whether `text` begins with the priority of a syslog message and something that may follow it (RFC
// 5424 6.2.1, RFC 3164 4.1.1).
bool BeginsAsSyslog(std::string_view text);

// Follows syslog over TCP, each message a part: with its length before it, or up to the end of its
// line (RFC 6587 3.4). A line that begins with neither is a message as well, so that nothing is
// ever given back.
std::unique_ptr<StreamParser> CreateSyslogParser(FlowContext& flow);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_SYSLOG_PARSER_H_
