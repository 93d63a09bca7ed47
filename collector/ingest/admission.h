#ifndef SKIMWATCH_COLLECTOR_INGEST_ADMISSION_H_
#define SKIMWATCH_COLLECTOR_INGEST_ADMISSION_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::ingest {

inline constexpr uint32_t kProtocolMajor = 1;
inline constexpr uint32_t kProtocolMinor = 0;

// Whether `identity` equals `pattern`, or begins with it where it ends in `*`.
bool MatchesIdentity(std::string_view pattern, std::string_view identity);

// Whether a peer with this certificate's identity may stream as an agent: it matches `agents`, or
// there is no such list and no role rule names it. PERMISSION_DENIED otherwise, and for whoever
// came by the operators' socket.
absl::Status AdmitAgent(const config::v1::CollectorConfig& config, std::string_view identity);

// Checks what an agent says of itself. PERMISSION_DENIED: another identity than its certificate's.
// FAILED_PRECONDITION: another major version of the protocol. INVALID_ARGUMENT: no epoch, or lists
// beyond their limits.
absl::Status CheckHello(const v1::Hello& hello, std::string_view identity);

// Limits of what heartbeats may make the collector keep.
absl::Status CheckHeartbeat(const v1::Heartbeat& heartbeat);

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_ADMISSION_H_
