#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_LOOK_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_LOOK_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "agent/card/brand_table.h"
#include "agent/card/card_match.h"
#include "agent/card/scanner.h"
#include "agent/script/source/page/page_recorder.h"
#include "agent/script/source/page/page_run.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

struct PageLookOptions {
  config::v1::PageCheck check;
  config::v1::PageBrowser browser;
  // Which of the check's user agents, languages and referrers are taken.
  uint64_t turn = 0;
  card::ScanOptions scan;
  const card::BrandTable* brands = nullptr;
  absl::flat_hash_set<std::string> known_texts;
  std::function<bool(std::string_view host)> is_site_host;
  std::function<bool(std::string_view host)> is_approved;
  std::function<void(const DeparturePlace&, const card::CardMatch&)> on_card;
  // With the run's id and the card's number, before anything is typed; may be null.
  std::function<void(std::string_view run_id, std::string_view number)> on_canary;
  // The look ends early once this says so; may be null.
  std::function<bool()> stopping;
};

// Looks at a page once, in a browser where there is one, and comes back when that is over: at the
// latest after `browser.seconds_max` and what it takes to end the browser. Never fails: how it went
// is in the run.
PageRun LookAtPage(const PageLookOptions& options);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_LOOK_H_
