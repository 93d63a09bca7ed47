#ifndef SKIMWATCH_AGENT_PIPELINE_SAMPLING_KEY_H_
#define SKIMWATCH_AGENT_PIPELINE_SAMPLING_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "agent/traffic/sip_hash.h"

namespace skimwatch::pipeline {

// The key of the sampling hash, kept in the file `sampling-key` of the state directory (16 bytes,
// mode 0600), so that a restart chooses the same flows and nobody else can tell which those are.
// Makes one at random where there is none, or where the file has not 16 bytes, which is logged. An
// error names the file.
absl::StatusOr<traffic::SipKey> LoadSamplingKey(const std::string& state_directory);

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_SAMPLING_KEY_H_
