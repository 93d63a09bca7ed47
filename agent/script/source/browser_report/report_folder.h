#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_FOLDER_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/script/source/browser_report/agreement.h"
#include "agent/script/source/browser_report/claims.h"
#include "agent/script/source/browser_report/report.h"
#include "agent/script/source/browser_report/report_address.h"
#include "agent/script/source/browser_report/report_sink.h"

namespace skimwatch::script {

// Folds violations that name the same site, type, page, blocked place and directive into one
// finding a window, with the number of browsers that agree. A report alone proves nothing, since
// anybody can send one: as long as fewer than `browsers_min` agree it is information, told when the
// window ends. When enough do it is told at once, and how often it came when the window ends.
//
// Thread-compatible. At most `entries_max` windows are open. One network alone opens no more than
// `entries_of_network_max` that nobody agrees with, and when all are open, one of the network with
// the most of them ends early (see Claims), so that no few machines keep all others from being
// heard.
class ReportFolder {
 public:
  enum class Outcome : uint8_t {
    kTaken,
    // The network already claims many violations that too few others saw.
    kContradicting,
    // All windows are open, and none is to end early.
    kFull,
  };

  struct Options {
    size_t browsers_min = 3;
    absl::Duration window = absl::Minutes(5);
    size_t entries_max = 1024;
    size_t entries_of_network_max = 64;
    PathTemplateFunction path_template;
  };

  // `sink` must outlive it.
  ReportFolder(Options options, ReportSink& sink);

  // A violation on `page`, an address that ShownAddress gave.
  Outcome Add(std::string_view site, const std::string& page, const Report& report,
              const Reporter& reporter, absl::Time now);
  // Ends the windows that are over.
  void Expire(absl::Time now);
  // Ends all of them.
  void Flush();

  size_t entries() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    absl::Time ends;
    FoldedReport folded;
    v1::Severity agreed_severity = v1::SEVERITY_LOW;
    Agreement agreement;
    uint64_t first_network = 0;
    // Until enough browsers agree.
    std::optional<Claims::Claim> claim;

    bool agreed() const { return !claim.has_value(); }
  };
  using Entries = std::list<Entry>;

  // False when no window can be opened for `network`.
  bool MakeRoom(uint64_t network);
  // It is no longer its first network's claim.
  void Release(Entry& entry);
  void Tell(Entry& entry);
  void End(Entries::iterator entry);

  const Options options_;
  ReportSink& sink_;
  // In the order in which their windows end.
  Entries entries_;
  absl::flat_hash_map<std::string, Entries::iterator> by_key_;
  Claims claims_;
};

// How grave a violation is when enough browsers agree: medium where something was to be run from or
// sent to another place, low for the rest.
v1::Severity SeverityOfViolation(const Report& report);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_FOLDER_H_
