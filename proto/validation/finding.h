#ifndef SKIMWATCH_PROTO_VALIDATION_FINDING_H_
#define SKIMWATCH_PROTO_VALIDATION_FINDING_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::validation {

// Checks a finding on both sides of the wire: limits on every string, a known kind, a probability
// in (0, 1], a mask that hides enough, a fingerprint of 0 or 32 bytes, and that no field holds
// anything that could be a full card number. INVALID_ARGUMENT names the field, never its value.
//
// A finding that fails here must not be kept. An agent mends it first (MendFinding). A collector
// that gets one counts and forgets it but acknowledges its sequence: an agent that were told to
// send it again would do so for ever.
absl::Status ValidateFinding(const v1::Finding& finding);

// Makes a finding valid at the price of detail, because a finding that says less is worth more than
// one that is lost: card numbers and control characters in texts are overwritten, texts are cut to
// their limit and made UTF-8, a mask that shows too much becomes all `*`, counts, times and
// probabilities out of range are set to the nearest that is allowed. What it returns names each
// field that was changed and why, such as `provenance.host: card number`; empty when the finding
// was valid. INVALID_ARGUMENT: no kind, or no usable site.
absl::StatusOr<std::vector<std::string>> MendFinding(v1::Finding& finding);

// The finding's kind from its `detail`.
v1::FindingKind KindOf(const v1::Finding& finding);

}  // namespace skimwatch::validation

#endif  // SKIMWATCH_PROTO_VALIDATION_FINDING_H_
