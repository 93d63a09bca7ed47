#ifndef SKIMWATCH_AGENT_OFFLINE_FINDING_WRITER_H_
#define SKIMWATCH_AGENT_OFFLINE_FINDING_WRITER_H_

#include <string>

#include "agent/offline/finding.h"

namespace skimwatch::offline {

// How a run went, for formats that say so behind the findings.
struct RunOutcome {
  // Nothing was left out that should have been scanned.
  bool complete = true;
  int exit_code = 0;
};

// A form of findings: `Header Item (Separator Item)* Footer`. Immutable and thread-safe.
class FindingWriter {
 public:
  virtual ~FindingWriter() = default;

  // Before the first finding; where `is_document()` says so also without any.
  virtual std::string Header() const { return ""; }
  virtual std::string Item(const Finding& finding) const = 0;
  virtual std::string Separator() const { return ""; }
  virtual std::string Footer(const RunOutcome& /*outcome*/) const { return ""; }
  // Whether header and footer are there even around nothing.
  virtual bool is_document() const { return false; }
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FINDING_WRITER_H_
