#ifndef SKIMWATCH_PROTO_CONFIG_YAML_READER_H_
#define SKIMWATCH_PROTO_CONFIG_YAML_READER_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "proto/config/source_map.h"

namespace skimwatch::config {

// A longer configuration is refused.
inline constexpr size_t kYamlBytesMax = size_t{1} << 20;

// FromYaml of yaml_config.h, and where each field stands. All that is wrong is reported at once,
// one line an error, up to a limit. Nesting and aliases are
// bounded.
absl::Status ReadYaml(std::string_view text, std::string_view file,
                      google::protobuf::Message& message, SourceMap& positions);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_YAML_READER_H_
