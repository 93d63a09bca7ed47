#ifndef SKIMWATCH_COLLECTOR_CTL_JSON_H_
#define SKIMWATCH_COLLECTOR_CTL_JSON_H_

#include <string>

#include "google/protobuf/message.h"

namespace skimwatch::ctl {

// The message as one line of JSON, by protobuf's JSON mapping with the .proto's field names, but
// for bytes: they are hashes here, and shown as hex, as every other tool shows them. As in that
// mapping 64-bit numbers are strings (many readers lose digits otherwise), times are RFC 3339 in
// UTC and enums are names. Zeros, empty texts and empty lists are shown; messages that are not set
// are left out.
std::string ToJson(const google::protobuf::Message& message);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_JSON_H_
