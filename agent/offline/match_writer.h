#ifndef SKIMWATCH_AGENT_OFFLINE_MATCH_WRITER_H_
#define SKIMWATCH_AGENT_OFFLINE_MATCH_WRITER_H_

#include <cstddef>
#include <string>

#include "agent/card/mask.h"
#include "agent/offline/finding_writer.h"
#include "proto/text/table.h"

namespace skimwatch::offline {

// Findings as rows of a table, masked.
class TableWriter final : public FindingWriter {
 public:
  // `columns` of the terminal, 0 for no limit.
  TableWriter(card::MaskStyle mask, size_t columns) : mask_(mask), columns_(columns) {}

  std::string Header() const override;
  std::string Item(const Finding& finding) const override;

 private:
  const card::MaskStyle mask_;
  const size_t columns_;
};

// Findings as JSON, one object a line, masked.
class JsonWriter final : public FindingWriter {
 public:
  explicit JsonWriter(card::MaskStyle mask) : mask_(mask) {}

  std::string Item(const Finding& finding) const override;

 private:
  const card::MaskStyle mask_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_MATCH_WRITER_H_
