#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_CORROBORATION_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_CORROBORATION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/script/source/browser_report/agreement.h"
#include "agent/script/source/browser_report/claims.h"
#include "agent/script/source/browser_report/report.h"

namespace skimwatch::script {

// Whether several networks said the same thing within a time. Bounded, whoever says what
// (see Claims). Thread-compatible.
class Corroboration {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    size_t networks_min = 3;
    std::chrono::hours within{24};
    size_t things_max = 512;
    size_t things_of_network_max = 16;
  };

  explicit Corroboration(const Options& options)
      : options_(options), claims_(options.things_max, options.things_of_network_max) {}

  // `reporter` says it. True when enough networks did, this one among them; false as well when
  // there is no room to keep that it was said. `now` never goes back.
  bool Add(const std::string& thing, const Reporter& reporter, Clock::time_point now);

  size_t things() const { return things_.size(); }

 private:
  struct Thing {
    Agreement agreement;
    uint64_t first_network = 0;
    // Until enough networks said it.
    std::optional<Claims::Claim> claim;
    Clock::time_point since;
  };
  using Things = std::map<std::string, Thing>;

  bool MakeRoom(uint64_t network, Clock::time_point now);
  Things::iterator Forget(Things::iterator thing);

  const Options options_;
  Things things_;
  Claims claims_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_CORROBORATION_H_
