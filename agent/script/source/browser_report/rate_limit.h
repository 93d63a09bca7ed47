#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_RATE_LIMIT_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_RATE_LIMIT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>

#include "absl/container/flat_hash_map.h"

namespace skimwatch::script {

// Keeps one client from taking what is there for all: a bucket of tokens a client, and one for all
// of them together, which only requests that their own client's bucket let through draw from.
//
// Bounded: beyond `clients_max` the client that was silent longest is forgotten, so a client that
// goes on and on keeps its empty bucket. Thread-compatible.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    // Requests a second in the long run, and at once after a silence.
    double client_rate = 10;
    double client_burst = 100;
    double total_rate = 2000;
    double total_burst = 4000;
    size_t clients_max = 65536;
  };

  enum class Verdict : uint8_t { kAllowed, kClientLimit, kTotalLimit };

  explicit RateLimit(const Options& options)
      : options_(options), total_{.tokens = options.total_burst} {}

  // `now` never goes back.
  Verdict Take(uint64_t client, Clock::time_point now);

  size_t clients() const { return clients_.size(); }

 private:
  struct Bucket {
    double tokens = 0;
    Clock::time_point filled{};
  };
  struct Client {
    Bucket bucket;
    std::list<uint64_t>::iterator place;
  };

  static void Fill(Bucket& bucket, double rate, double burst, Clock::time_point now);

  const Options options_;
  Bucket total_;
  absl::flat_hash_map<uint64_t, Client> clients_;
  // The longest silent first.
  std::list<uint64_t> by_silence_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_RATE_LIMIT_H_
