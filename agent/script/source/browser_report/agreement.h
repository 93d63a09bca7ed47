#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_AGREEMENT_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_AGREEMENT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/script/source/browser_report/report.h"

namespace skimwatch::script {

// How many browsers say the same. Anybody can claim to be any browser, but only from the addresses
// that they have: so what must be agreed on counts networks, and browsers are shown beside. Counts
// up to kBrowsersMax, exactly.
class Agreement {
 public:
  static constexpr size_t kBrowsersMax = 256;

  void Add(const Reporter& reporter) {
    AddTo(reporter.network, networks_);
    AddTo(reporter.browser, browsers_);
  }
  size_t networks() const { return networks_.size(); }
  size_t browsers() const { return browsers_.size(); }
  void Clear() {
    networks_.clear();
    browsers_.clear();
  }

 private:
  static void AddTo(uint64_t one, std::vector<uint64_t>& sorted) {
    if (sorted.size() >= kBrowsersMax) return;
    const auto place = std::lower_bound(sorted.begin(), sorted.end(), one);
    if (place == sorted.end() || *place != one) sorted.insert(place, one);
  }

  std::vector<uint64_t> networks_;
  std::vector<uint64_t> browsers_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_AGREEMENT_H_
