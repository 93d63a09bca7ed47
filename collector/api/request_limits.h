#ifndef SKIMWATCH_COLLECTOR_API_REQUEST_LIMITS_H_
#define SKIMWATCH_COLLECTOR_API_REQUEST_LIMITS_H_

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace skimwatch::api {

// Holds a request of the query or decision service to its limits: lengths of texts, sizes of pages,
// fingerprints (at most 16, of 32 bytes), hashes (32 bytes), known values of enums, texts that must
// be there, times within range. No text that a decision keeps may hold what could be a full card
// number (PCI DSS 4.0.1, 3.3.1): decisions are kept for ever and sent to agents, and names of
// scripts and destinations have none, since agents mask them. INVALID_ARGUMENT names the field and
// what was expected, never the value: it may be what somebody pasted in the wrong place.
absl::Status CheckRequest(const google::protobuf::Message& request);

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_REQUEST_LIMITS_H_
