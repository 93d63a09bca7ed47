#include "agent/script/source/browser_report/rate_limit.h"

#include <algorithm>
#include <iterator>

namespace skimwatch::script {

void RateLimit::Fill(Bucket& bucket, double rate, double burst, Clock::time_point now) {
  const std::chrono::duration<double> passed = now - bucket.filled;
  bucket.tokens = std::min(burst, bucket.tokens + rate * std::max(0.0, passed.count()));
  bucket.filled = now;
}

RateLimit::Verdict RateLimit::Take(uint64_t client, Clock::time_point now) {
  auto entry = clients_.find(client);
  if (entry == clients_.end()) {
    if (clients_.size() >= options_.clients_max) {
      clients_.erase(by_silence_.front());
      by_silence_.pop_front();
    }
    by_silence_.push_back(client);
    entry = clients_
                .emplace(client, Client{.bucket = {.tokens = options_.client_burst, .filled = now},
                                        .place = std::prev(by_silence_.end())})
                .first;
  } else {
    by_silence_.splice(by_silence_.end(), by_silence_, entry->second.place);
  }
  Bucket& own = entry->second.bucket;
  Fill(own, options_.client_rate, options_.client_burst, now);
  if (own.tokens < 1) return Verdict::kClientLimit;
  Fill(total_, options_.total_rate, options_.total_burst, now);
  if (total_.tokens < 1) return Verdict::kTotalLimit;
  own.tokens -= 1;
  total_.tokens -= 1;
  return Verdict::kAllowed;
}

}  // namespace skimwatch::script
