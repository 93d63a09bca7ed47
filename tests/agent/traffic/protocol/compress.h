#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_COMPRESS_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_COMPRESS_H_

#include <string>
#include <string_view>

namespace skimwatch::traffic::testing {

// `text` in a content coding: gzip, deflate, raw-deflate (the bare data that some senders call
// deflate), br, zstd.
std::string Compress(std::string_view coding, std::string_view text);

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_PROTOCOL_COMPRESS_H_
