#ifndef SKIMWATCH_COLLECTOR_API_REQUEST_LIMITS_H_
#define SKIMWATCH_COLLECTOR_API_REQUEST_LIMITS_H_

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace skimwatch::api {

// Holds a request of the query or decision service to its limits: lengths of texts, sizes of pages,
// fingerprints (at most 16, of 32 bytes), hashes (32 bytes), known values of enums, texts that must
// be there, times within range. INVALID_ARGUMENT names the field and what was expected, never the
// value: it may be what somebody pasted in the wrong place.
absl::Status CheckRequest(const google::protobuf::Message& request);

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_REQUEST_LIMITS_H_
