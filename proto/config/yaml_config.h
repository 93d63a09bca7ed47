#ifndef SKIMWATCH_PROTO_CONFIG_YAML_CONFIG_H_
#define SKIMWATCH_PROTO_CONFIG_YAML_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace skimwatch::config {

// Fills `message` from YAML text whose keys are the message's field names. An unknown or repeated
// key, a wrong type, a number out of range or an unknown enum name is INVALID_ARGUMENT with
// `file:line:column: path.to.field: what was found, what was expected` and, for a misspelt key, the
// nearest known one; all that is wrong is said, a line each, up to 20. `file` is used in messages
// only. A key with nothing behind it is an empty message or list. On an error `message` holds what
// could be read.
//
//   agent.yaml:3:3: sources.web_root: found an unknown key, expected `web_roots` perhaps
//   agent.yaml:9:12: sampling.flow_ratio: found the text `half`, expected a number
absl::Status FromYaml(std::string_view text, std::string_view file,
                      google::protobuf::Message& message);

// Reads `path` and fills `message` as FromYaml does. NOT_FOUND and PERMISSION_DENIED name the file.
absl::Status FromYamlFile(const std::string& path, google::protobuf::Message& message);

// The message as YAML with every set field, and every number and switch, keys in the order of the
// .proto. FromYaml makes the same message of it again, except for fields of type bytes: they hold
// secrets, and are shown as `<hidden>`. Names of files are no secrets.
std::string ToYaml(const google::protobuf::Message& message);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_YAML_CONFIG_H_
