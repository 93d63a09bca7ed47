#include "agent/traffic/timestamp.h"

#include <algorithm>
#include <cstdint>

#include "google/protobuf/util/time_util.h"

namespace skimwatch::traffic {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(
      std::clamp<int64_t>(seconds, 0, google::protobuf::util::TimeUtil::kTimestampMaxSeconds));
  if (timestamp.seconds() == seconds) {
    timestamp.set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  }
  return timestamp;
}

}  // namespace skimwatch::traffic
