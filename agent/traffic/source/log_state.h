#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_STATE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_STATE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/traffic/source/log_state.pb.h"

namespace skimwatch::traffic {

// The state file: a first line `# crc32 xxxxxxxx` over what follows, then LogState in the text
// format of Protocol Buffers, for people to read.
std::string EncodeLogState(const v1::LogState& state);
// DATA_LOSS for what EncodeLogState did not make.
absl::StatusOr<v1::LogState> DecodeLogState(std::string_view text);

// Errors name the file: NOT_FOUND, DATA_LOSS.
absl::StatusOr<v1::LogState> LoadLogState(const std::string& path);
// Replaces the file: at any moment, also at a power loss, it is the old one or the new one. What is
// not `synced` is safe from the end of the process alone.
absl::Status SaveLogState(const std::string& path, std::string_view text, bool synced = true);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_STATE_H_
