#ifndef SKIMWATCH_AGENT_TRAFFIC_SIP_HASH_H_
#define SKIMWATCH_AGENT_TRAFFIC_SIP_HASH_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace skimwatch::traffic {

// A key of 128 bits.
using SipKey = std::array<uint64_t, 2>;

// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose values nobody can foresee without the
// key. The same on machines of either byte order.
uint64_t SipHash(const SipKey& key, std::string_view bytes);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SIP_HASH_H_
