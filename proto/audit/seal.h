#ifndef SKIMWATCH_PROTO_AUDIT_SEAL_H_
#define SKIMWATCH_PROTO_AUDIT_SEAL_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "skimwatch/v1/audit.pb.h"

namespace skimwatch::audit {

inline constexpr size_t kSealBytes = 32;

// The seal of a decision: SHA-256 over
//
//   the seal before it   32 bytes, zeros for the first decision
//   id                   8 bytes, big-endian
//   at                   8 bytes, big-endian: microseconds since 1970, signed
//   who, action, subject, reason
//                        each as its size in 8 bytes, big-endian, and its bytes
//
// Whoever changes, adds or takes out a decision must make every seal after it anew, and the last
// one is then another than those who noted it down know.
std::string Seal(std::string_view previous, const v1::Decision& decision);

// What stands before the first decision.
std::string FirstSeal();

}  // namespace skimwatch::audit

#endif  // SKIMWATCH_PROTO_AUDIT_SEAL_H_
