#ifndef SKIMWATCH_PROTO_CONFIG_EFFECTIVE_H_
#define SKIMWATCH_PROTO_CONFIG_EFFECTIVE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/config/v1/ctl.pb.h"

namespace skimwatch::config {

// Loads a program's configuration file, fills in every default that its .proto documents and checks
// every value. Errors name the file, the line where there is one, the field, and what was expected;
// INVALID_ARGUMENT has one line for each. Whether files that a value names exist is for those who
// open them. A field that was written as 0 stays 0 where 0 has a meaning (`limits.body_bytes_max`)
// and is an error elsewhere. Hosts are in lower case afterwards. Where one site is declared, it is
// the site of every source that names none.
absl::StatusOr<config::v1::AgentConfig> LoadAgentConfig(const std::string& path);
absl::StatusOr<config::v1::CollectorConfig> LoadCollectorConfig(const std::string& path);
absl::StatusOr<config::v1::CtlConfig> LoadCtlConfig(const std::string& path);

// The same for text that is at hand already; `file` is used in messages only.
absl::StatusOr<config::v1::AgentConfig> ParseAgentConfig(std::string_view text,
                                                         std::string_view file);
absl::StatusOr<config::v1::CollectorConfig> ParseCollectorConfig(std::string_view text,
                                                                 std::string_view file);
// Empty text gives the defaults, without certificates.
absl::StatusOr<config::v1::CtlConfig> ParseCtlConfig(std::string_view text, std::string_view file);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_EFFECTIVE_H_
