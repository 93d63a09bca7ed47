#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_CLIENT_HELLO_BUILDER_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_CLIENT_HELLO_BUILDER_H_

#include <string>

#include "agent/traffic/protocol/client_hello.h"

namespace skimwatch::traffic::testing {

// The handshake message (RFC 8446 4) that says what `hello` does.
std::string ClientHelloMessage(const ClientHello& hello);

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_CLIENT_HELLO_BUILDER_H_
