#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_ICAP_HEAD_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_ICAP_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace skimwatch::traffic {

enum class IcapMethod : uint8_t { kOptions, kReqmod, kRespmod, kOther };

// What an ICAP client asks (RFC 3507, 4.3.2), without what it encapsulates.
struct IcapHead {
  IcapMethod method = IcapMethod::kOther;
  // Of the URI, such as `/reqmod`.
  std::string service;
  // The client takes 204, "No modifications needed", outside of a preview (4.6).
  bool allows_204 = false;
  // Bytes of the body that come first; absent when no preview was made (4.5).
  std::optional<uint64_t> preview;
  // The connection ends after the answer.
  bool closes = false;
  // `X-Client-IP`, as proxies send it; empty when there is none or it is no address.
  std::string client_ip;

  // Bytes of the encapsulated heads, 0 where there is none, and whether a body follows them
  // (4.4.1).
  size_t request_head_bytes = 0;
  size_t response_head_bytes = 0;
  bool has_body = false;
};

// The most that encapsulated heads may take together.
inline constexpr size_t kEncapsulatedHeadBytesMax = 256u << 10;

// Reads the head up to its empty line. INVALID_ARGUMENT says which line or header field is wrong,
// without its value.
absl::StatusOr<IcapHead> ParseIcapHead(std::string_view head);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_ICAP_HEAD_H_
