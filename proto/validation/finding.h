#ifndef SKIMWATCH_PROTO_VALIDATION_FINDING_H_
#define SKIMWATCH_PROTO_VALIDATION_FINDING_H_

#include "absl/status/status.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::validation {

// Checks a finding on both sides of the wire: limits on every string, a known kind, a probability
// in (0, 1], a mask that hides enough, a fingerprint of 0 or 32 bytes, and that no field holds
// anything that could be a full card number. INVALID_ARGUMENT names the field, never its value.
absl::Status ValidateFinding(const v1::Finding& finding);

// The finding's kind from its `detail`.
v1::FindingKind KindOf(const v1::Finding& finding);

}  // namespace skimwatch::validation

#endif  // SKIMWATCH_PROTO_VALIDATION_FINDING_H_
