#ifndef SKIMWATCH_COLLECTOR_CTL_FINDINGS_H_
#define SKIMWATCH_COLLECTOR_CTL_FINDINGS_H_

#include <string>
#include <vector>

#include "proto/text/table.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::ctl {

// Columns of a table of findings. A table whose rows come one by one can't look at all of them
// first, so its columns have widths of their own.
std::vector<text::Table::Column> FindingColumns(bool streaming);
std::vector<std::string> FindingRow(const v1::StoredFinding& stored);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_FINDINGS_H_
