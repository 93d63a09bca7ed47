#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_PARSER_H_

#include <memory>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/stream_parser.h"

namespace skimwatch::traffic {

// Follows DNS over TCP (RFC 7766): messages of at most 64 KiB, each with its length before it,
// which dns_names.h takes. What is no message is given back.
std::unique_ptr<StreamParser> CreateDnsParser(FlowContext& flow);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_PARSER_H_
