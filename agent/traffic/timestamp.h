#ifndef SKIMWATCH_AGENT_TRAFFIC_TIMESTAMP_H_
#define SKIMWATCH_AGENT_TRAFFIC_TIMESTAMP_H_

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace skimwatch::traffic {

// `time` as the wire has it. Packets may claim any time: what a Timestamp can't hold is moved to
// 1970 or to the end of the year 9999.
google::protobuf::Timestamp ToTimestamp(absl::Time time);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_TIMESTAMP_H_
