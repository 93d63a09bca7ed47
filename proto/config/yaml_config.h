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
// nearest known one. `file` is used in messages only.
absl::Status FromYaml(std::string_view text, std::string_view file,
                      google::protobuf::Message& message);

// Reads `path` and fills `message` as FromYaml does. NOT_FOUND and PERMISSION_DENIED name the file.
absl::Status FromYamlFile(const std::string& path, google::protobuf::Message& message);

// The message as YAML with every set field, keys in the order of the .proto. Values of fields that
// hold secrets are shown as `<hidden>`.
std::string ToYaml(const google::protobuf::Message& message);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_YAML_CONFIG_H_
