#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_COMMAND_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_COMMAND_PARSER_H_

#include <memory>

#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/stream_parser.h"

namespace skimwatch::traffic {

// Follows SMTP and LMTP (RFC 5321, RFC 2033) in both directions: each command and reply is a part
// (Part::kCommand); a mail's data (DATA with its dots undone, or BDAT, RFC 3030) is a request's
// body of type `message/rfc822`, whose MIME parts are left as they are. Whether DATA was accepted
// is taken from the replies where those are captured. After STARTTLS (RFC 3207) both directions are
// given back, and so nothing else ever is. Nothing is held but the beginning of a line.
std::unique_ptr<StreamParser> CreateSmtpParser(FlowContext& flow);

// Follows the control connection of FTP (RFC 959, RFC 4217) the same way.
std::unique_ptr<StreamParser> CreateFtpParser(FlowContext& flow);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_COMMAND_PARSER_H_
