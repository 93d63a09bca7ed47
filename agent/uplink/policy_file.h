#ifndef SKIMWATCH_AGENT_UPLINK_POLICY_FILE_H_
#define SKIMWATCH_AGENT_UPLINK_POLICY_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/uplink/file_system.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::uplink {

// The last policy, kept in `directory` as `policy.pb` (mode 0600: it holds the fingerprint keys),
// so that an agent that starts while its collector is away knows what is approved. The file is a
// serialized v1::Policy and a last field, number 15000, that is the CRC-32 of all before it.

// Replaces the file at once: after a crash it holds the old policy or the new one.
absl::Status SavePolicy(FileSystem& files, const std::string& directory, const v1::Policy& policy);

// NOT_FOUND when there is none; DATA_LOSS when it is damaged.
absl::StatusOr<v1::Policy> LoadPolicy(FileSystem& files, const std::string& directory);

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_POLICY_FILE_H_
