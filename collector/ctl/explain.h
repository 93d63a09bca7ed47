#ifndef SKIMWATCH_COLLECTOR_CTL_EXPLAIN_H_
#define SKIMWATCH_COLLECTOR_CTL_EXPLAIN_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace skimwatch::ctl {

// What an error of a call to the collector at `address` means, and what to do about it, in lines.
// They quote what the collector said, and are not yet fit for a terminal.
std::string Explain(const absl::Status& status, std::string_view address);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_EXPLAIN_H_
