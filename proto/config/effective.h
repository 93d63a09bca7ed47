#ifndef SKIMWATCH_PROTO_CONFIG_EFFECTIVE_H_
#define SKIMWATCH_PROTO_CONFIG_EFFECTIVE_H_

#include <string>

#include "absl/status/statusor.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::config {

// Loads a program's configuration file, fills in every default that its .proto documents and checks
// every value. Errors name the file, the line where there is one, the field, and what was expected.
absl::StatusOr<config::v1::AgentConfig> LoadAgentConfig(const std::string& path);
absl::StatusOr<config::v1::CollectorConfig> LoadCollectorConfig(const std::string& path);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_EFFECTIVE_H_
