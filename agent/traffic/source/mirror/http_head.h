#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_HTTP_HEAD_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_HTTP_HEAD_H_

#include <string>
#include <string_view>

namespace skimwatch::traffic {

// An HTTP/1 head, or its fields alone, up to the empty line, whose body comes framed in another way
// than it says: Content-Length and Transfer-Encoding are replaced by the line `framing`, which may
// be empty. Ends with the empty line.
std::string WithFraming(std::string_view head, std::string_view framing);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_HTTP_HEAD_H_
