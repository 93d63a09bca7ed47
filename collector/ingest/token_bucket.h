#ifndef SKIMWATCH_COLLECTOR_INGEST_TOKEN_BUCKET_H_
#define SKIMWATCH_COLLECTOR_INGEST_TOKEN_BUCKET_H_

#include <algorithm>

#include "absl/time/time.h"

namespace skimwatch::ingest {

// Holds a sender to a rate for long, with bursts of up to one second's worth. Never refuses: says
// how long to wait before taking more. Times come from the caller's monotonic clock.
class TokenBucket {
 public:
  TokenBucket(double per_second, absl::Time now)
      : per_second_(per_second), tokens_(per_second), filled_(now) {}

  // Takes `count` tokens, going into debt where there are too few, and returns the time until the
  // debt is paid.
  absl::Duration Take(double count, absl::Time now) {
    if (now > filled_) {
      tokens_ = std::min(per_second_, tokens_ + absl::ToDoubleSeconds(now - filled_) * per_second_);
    }
    filled_ = now;
    tokens_ -= count;
    return tokens_ >= 0 ? absl::ZeroDuration() : absl::Seconds(-tokens_ / per_second_);
  }

 private:
  const double per_second_;
  double tokens_;
  absl::Time filled_;
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_TOKEN_BUCKET_H_
