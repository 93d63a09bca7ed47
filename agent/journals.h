#ifndef SKIMWATCH_AGENT_JOURNALS_H_
#define SKIMWATCH_AGENT_JOURNALS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/card/brand_table.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/journal_source.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {

// The journals that are followed (`sources.journals`), each with its way from entries to sightings.
// Thread-safe.
class Journals {
 public:
  // Opens them. One that can't be opened is left out: `error` says why and the figures show it.
  // `brands`, `writer` and `coverage` must outlive it.
  Journals(const config::v1::AgentConfig& config, const pipeline::MessageScanner::Options& scanner,
           const card::BrandTable& brands, pipeline::FindingWriter& writer,
           traffic::Coverage& coverage);
  ~Journals();

  // What keeps the first of them that is not followed from being so; OK when all are.
  absl::Status error() const;
  // Whether any is followed.
  bool any() const;
  void Start();
  // Reads what is there and saves the places. Idempotent.
  void Stop();

  void AddTo(pipeline::AgentSnapshot& snapshot) const;

 private:
  struct Journal {
    // How metrics and logs call it.
    std::string name;
    std::unique_ptr<pipeline::MessageScanner> scanner;
    // Null after an error.
    std::unique_ptr<traffic::JournalSource> source;
    absl::Status error;
  };

  std::vector<Journal> journals_;
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_JOURNALS_H_
