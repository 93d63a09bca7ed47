#ifndef SKIMWATCH_AGENT_OFFLINE_FINDINGS_H_
#define SKIMWATCH_AGENT_OFFLINE_FINDINGS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/card/card_match.h"
#include "agent/offline/allow_list.h"
#include "agent/offline/baseline.h"
#include "agent/offline/finding.h"
#include "agent/offline/finding_output.h"
#include "agent/offline/scan_options.h"
#include "agent/offline/scan_report.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::offline {

// What becomes of a match: it is left out by the options, allowed, known, or a finding, and counted
// as that; findings are written. Thread-safe.
class Findings {
 public:
  // What findings are judged by; none of it is required. All must outlive it.
  struct Policy {
    const v1::FingerprintKey* key = nullptr;
    const AllowList* allow_list = nullptr;
    Baseline* known = nullptr;
    // Takes the findings instead of the exit code.
    Baseline* written = nullptr;
  };

  Findings(const ScanOptions& options, const Policy& policy, std::string folder, ScanReport& report,
           FindingOutput& output)
      : options_(options),
        policy_(policy),
        folder_(std::move(folder)),
        report_(report),
        output_(output) {}

  // Those of one file, from one thread.
  class OfFile {
   public:
    // `number` of the file in the run, whose matches end with it. `findings` must outlive it.
    OfFile(const Findings& findings, uint64_t number) : findings_(findings), number_(number) {}
    ~OfFile() { findings_.output_.EndFile(number_); }
    OfFile(const OfFile&) = delete;
    OfFile& operator=(const OfFile&) = delete;

    // `offset` instead of the match's own, which may count from a piece of the place.
    void Found(const Place& place, uint64_t offset, const card::CardMatch& match,
               std::optional<TextPosition> begin, std::optional<TextPosition> end);

   private:
    const Findings& findings_;
    const uint64_t number_;
    // How often each identity was written.
    std::map<std::string, uint64_t, std::less<>> seen_;
  };

 private:
  const ScanOptions& options_;
  const Policy policy_;
  // That the run was started in.
  const std::string folder_;
  ScanReport& report_;
  FindingOutput& output_;
};

// `path` below `folder` where it is, without `.` and doubled slashes: the same from wherever in a
// repository it is named. `folder` is absolute.
std::string PathBelow(std::string_view path, std::string_view folder);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FINDINGS_H_
