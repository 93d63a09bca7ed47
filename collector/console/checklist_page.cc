#include <map>
#include <set>
#include <string>
#include <utility>

#include "collector/console/checklist.h"
#include "collector/console/pages.h"
#include "collector/ctl/describe.h"

namespace skimwatch::console {
namespace {

constexpr size_t kSitesMax = 50;
constexpr size_t kScriptsMax = 20'000;
constexpr size_t kAgentsMax = 10'000;
constexpr size_t kExposuresMax = 5000;

using Sites = std::map<std::string, SiteEvidence>;

// Of one site where the page is filtered, of all else.
absl::Status Gather(const Context& context, const std::string& only, Sites& sites) {
  bool cut = false;
  const auto of = [&](const std::string& name) -> SiteEvidence& {
    SiteEvidence& site = sites[name];
    site.site = name;
    return site;
  };
  absl::Status status = ForEachItem(
      v1::ListAgentsRequest(), kAgentsMax, cut,
      [&](const v1::ListAgentsRequest& r) { return context.calls.ListAgents(context.caller, r); },
      [](v1::ListAgentsResponse& page) { return page.mutable_agents(); },
      [&](const v1::Agent& agent) {
        for (const std::string& name : agent.sites()) {
          if (only.empty() || name == only) of(name).agents.push_back(agent);
        }
      });
  if (!status.ok()) return status;
  v1::ListScriptsRequest scripts;
  scripts.set_site(only);
  status = ForEachItem(
      scripts, kScriptsMax, cut,
      [&](const v1::ListScriptsRequest& r) { return context.calls.ListScripts(context.caller, r); },
      [](v1::ListScriptsResponse& page) { return page.mutable_scripts(); },
      [&](v1::Script& script) { of(script.site()).scripts.push_back(std::move(script)); });
  if (!status.ok()) return status;
  v1::ListExposuresRequest exposures;
  exposures.set_site(only);
  exposures.set_state(v1::Exposure::STATE_OPEN);
  status = ForEachItem(
      exposures, kExposuresMax, cut,
      [&](const v1::ListExposuresRequest& r) {
        return context.calls.ListExposures(context.caller, r);
      },
      [](v1::ListExposuresResponse& page) { return page.mutable_exposures(); },
      [&](v1::Exposure& exposure) {
        of(exposure.site()).exposures.push_back(std::move(exposure));
      });
  for (auto& [name, site] : sites) site.cut = cut;
  return status;
}

void AddPages(const SiteEvidence& evidence, Dictionary& site) {
  bool any = false;
  for (const v1::Agent& agent : evidence.agents) {
    for (const v1::PageLook& look : agent.pages()) {
      if (look.site() != evidence.site) continue;
      any = true;
      Dictionary& row = *site.AddSectionDictionary("LOOK");
      Put(row, "NAME", look.name());
      Put(row, "AGENT", agent.identity());
      std::string outcome = ctl::Word(*v1::PageLook::Outcome_descriptor(), look.outcome());
      for (char& c : outcome) c = c == '_' ? ' ' : c;
      PutOwn(row, "OUTCOME", outcome.empty() ? "not looked yet" : outcome);
      Show(row, "WHOLE", look.outcome() == v1::PageLook::OUTCOME_OK);
      Show(row, "WITHOUT_BROWSER", look.without_browser());
      PutTime(row, "LAST", look.last_look());
      PutTime(row, "LAST_WHOLE", look.last_whole_look());
      PutTime(row, "DUE", look.next_due());
    }
  }
  Show(site, "HAS_LOOKS", any);
}

}  // namespace

absl::StatusOr<View> ChecklistPage(const Context& context) {
  const std::string& only = context.request.Query("site");
  Sites sites;
  if (absl::Status s = Gather(context, only, sites); !s.ok()) return s;
  View view("checklist");
  view.title = "PCI DSS checklist";
  view.section = "/checklist";
  Dictionary& values = *view.values;
  Put(values, "SITE_FILTER", only);
  size_t shown = 0;
  for (const auto& [name, evidence] : sites) {
    if (shown++ == kSitesMax) {
      Show(values, "MORE_SITES", true);
      break;
    }
    Dictionary& site = *values.AddSectionDictionary("SITE");
    Put(site, "NAME", name);
    PutOwn(site, "SCRIPTS_URL", Url("/scripts", {{"site", name}}));
    uint64_t passed = 0;
    const std::vector<ChecklistItem> items = CheckSite(evidence, context.now);
    for (const ChecklistItem& item : items) {
      Dictionary& row = *site.AddSectionDictionary("ITEM");
      PutOwn(row, "REQUIREMENT", item.requirement);
      PutOwn(row, "ASKED", item.asked);
      row.ShowSection(item.pass ? "PASS" : "ATTENTION");
      if (item.pass) ++passed;
      for (const std::string& line : item.evidence) {
        Put(*row.AddSectionDictionary("EVIDENCE"), "TEXT", line);
      }
    }
    PutNumber(site, "PASSED", passed);
    PutNumber(site, "ITEMS", items.size());
    AddPages(evidence, site);
  }
  Show(values, "NO_SITES", sites.empty());
  return view;
}

}  // namespace skimwatch::console
