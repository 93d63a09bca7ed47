#ifndef SKIMWATCH_COLLECTOR_STORE_TIMESTAMP_H_
#define SKIMWATCH_COLLECTOR_STORE_TIMESTAMP_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace skimwatch::store {

// Times of the wire, which may hold anything: what is out of range saturates.
inline absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

inline google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  // Year 1 to 9999, the range that Timestamp has.
  time = std::max(time, absl::FromUnixSeconds(-62135596800));
  time = std::min(time, absl::FromUnixSeconds(253402300799));
  const int64_t seconds = absl::ToUnixSeconds(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

}  // namespace skimwatch::store

#endif  // SKIMWATCH_COLLECTOR_STORE_TIMESTAMP_H_
