#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_FETCH_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_FETCH_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/script/source/page/page_run.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

// Looks at a page where there is no browser: fetches it, takes its headers, its `<meta>` policies,
// its inline scripts and references, and fetches the scripts that it names. `run.unseen` says what
// only a browser could have seen. Nothing runs, no step is done, no canary is typed.
//
// Blocks until `deadline` at most, or until `stopping` (may be null) says so. Memory is bounded by
// the configuration's limits. Thread-safe.
void FetchPage(const config::v1::PageCheck& check, const config::v1::PageBrowser& limits,
               absl::Time deadline, const std::function<bool()>& stopping,
               const std::function<bool(std::string_view host)>& is_site_host, PageRun& run);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_FETCH_H_
