#ifndef SKIMWATCH_AGENT_OFFLINE_SARIF_WRITER_H_
#define SKIMWATCH_AGENT_OFFLINE_SARIF_WRITER_H_

#include <string>

#include "agent/card/mask.h"
#include "agent/offline/finding_writer.h"

namespace skimwatch::offline {

// Findings as one SARIF 2.1.0 document (OASIS standard), for code hosts and editors. A rule is a
// kind of match, a level its confidence. Where a match is inside of an archive or a capture, the
// location is the file's begin, and the logical location says where in it.
class SarifWriter final : public FindingWriter {
 public:
  // Paths below `folder` (absolute) are relative to %SRCROOT%, as code hosts want them.
  SarifWriter(card::MaskStyle mask, std::string folder) : mask_(mask), folder_(std::move(folder)) {}

  std::string Header() const override;
  std::string Item(const Finding& finding) const override;
  std::string Separator() const override { return ",\n"; }
  std::string Footer(const RunOutcome& outcome) const override;
  bool is_document() const override { return true; }

 private:
  const card::MaskStyle mask_;
  const std::string folder_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SARIF_WRITER_H_
