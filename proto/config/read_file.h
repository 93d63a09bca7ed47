#ifndef SKIMWATCH_PROTO_CONFIG_READ_FILE_H_
#define SKIMWATCH_PROTO_CONFIG_READ_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace skimwatch::config {

// The text of a configuration file, cut one byte beyond the largest that ReadYaml takes. Errors
// name the file: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT for a folder or a device.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_READ_FILE_H_
