#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/console/pages.h"
#include "collector/store/timestamp.h"

namespace skimwatch::console {
namespace {

// More is for the lists; the counts say that they stop here.
constexpr size_t kExposuresMax = 5000;
constexpr size_t kScriptsMax = 2000;
constexpr size_t kAgentsMax = 10'000;
constexpr size_t kRowsMax = 10;
constexpr size_t kSitesMax = 200;

struct Site {
  std::map<v1::Severity, uint64_t> exposures;
  uint64_t cards = 0;
  uint64_t scripts = 0;
  uint64_t agents = 0;
  uint64_t silent = 0;
};

struct Found {
  std::vector<v1::Exposure> exposures;
  std::vector<v1::Script> scripts;
  std::vector<v1::Agent> silent;
  uint64_t agents = 0;
  uint64_t cards = 0;
  std::map<std::string, Site> sites;
  bool cut = false;
};

absl::Status FindExposures(const Context& context, Found& found) {
  v1::ListExposuresRequest request;
  request.set_state(v1::Exposure::STATE_OPEN);
  return ForEachItem(
      request, kExposuresMax, found.cut,
      [&](const v1::ListExposuresRequest& r) {
        return context.calls.ListExposures(context.caller, r);
      },
      [](v1::ListExposuresResponse& page) { return page.mutable_exposures(); },
      [&](v1::Exposure& exposure) {
        Site& site = found.sites[exposure.site()];
        ++site.exposures[exposure.severity()];
        site.cards += exposure.distinct_cards();
        found.cards += exposure.distinct_cards();
        found.exposures.push_back(std::move(exposure));
      });
}

absl::Status FindScripts(const Context& context, Found& found) {
  for (const v1::Script::State state : {v1::Script::STATE_CHANGED, v1::Script::STATE_UNAPPROVED}) {
    v1::ListScriptsRequest request;
    request.set_state(state);
    absl::Status status = ForEachItem(
        request, kScriptsMax, found.cut,
        [&](const v1::ListScriptsRequest& r) {
          return context.calls.ListScripts(context.caller, r);
        },
        [](v1::ListScriptsResponse& page) { return page.mutable_scripts(); },
        [&](v1::Script& script) {
          ++found.sites[script.site()].scripts;
          found.scripts.push_back(std::move(script));
        });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FindAgents(const Context& context, Found& found) {
  return ForEachItem(
      v1::ListAgentsRequest(), kAgentsMax, found.cut,
      [&](const v1::ListAgentsRequest& r) { return context.calls.ListAgents(context.caller, r); },
      [](v1::ListAgentsResponse& page) { return page.mutable_agents(); },
      [&](v1::Agent& agent) {
        const bool silent = agent.state() != v1::Agent::STATE_CONNECTED;
        ++found.agents;
        for (const std::string& name : agent.sites()) {
          Site& site = found.sites[name];
          ++site.agents;
          if (silent) ++site.silent;
        }
        if (silent) found.silent.push_back(std::move(agent));
      });
}

void ShowExposures(Found& found, absl::Time now, Dictionary& values) {
  std::map<v1::Severity, uint64_t> counts;
  for (const v1::Exposure& exposure : found.exposures) ++counts[exposure.severity()];
  // Zero of the gravest is worth saying.
  for (const v1::Severity severity :
       {v1::SEVERITY_CRITICAL, v1::SEVERITY_HIGH, v1::SEVERITY_MEDIUM, v1::SEVERITY_LOW}) {
    Dictionary& tile = *values.AddSectionDictionary("SEVERITY");
    PutOwn(tile, "WORD", SeverityWord(severity));
    PutNumber(tile, "COUNT", counts[severity]);
    Show(tile, "NONE", counts[severity] == 0);
    PutOwn(tile, "URL",
           Url("/exposures", {{"state", "open"}, {"severity", SeverityWord(severity)}}));
  }
  std::stable_sort(found.exposures.begin(), found.exposures.end(),
                   [](const v1::Exposure& a, const v1::Exposure& b) {
                     if (a.severity() != b.severity()) return a.severity() > b.severity();
                     return store::FromTimestamp(a.last_seen()) >
                            store::FromTimestamp(b.last_seen());
                   });
  const size_t shown = std::min(found.exposures.size(), kRowsMax);
  for (size_t i = 0; i < shown; ++i) AddExposureRow(values, found.exposures[i], now);
  Show(values, "HAS_EXPOSURES", shown > 0);
  Show(values, "NO_EXPOSURES", shown == 0);
  PutNumber(values, "OPEN", found.exposures.size());
  PutNumber(values, "CARDS", found.cards);
  Show(values, "MORE_EXPOSURES", found.exposures.size() > shown);
}

void ShowSites(const Found& found, Dictionary& values) {
  size_t shown = 0;
  for (const auto& [name, site] : found.sites) {
    if (shown++ == kSitesMax) break;
    Dictionary& row = *values.AddSectionDictionary("SITE");
    Put(row, "NAME", name);
    PutOwn(row, "EXPOSURES_URL", Url("/exposures", {{"site", name}, {"state", "open"}}));
    PutOwn(row, "SCRIPTS_URL", Url("/scripts", {{"site", name}}));
    PutOwn(row, "CHECKLIST_URL", Url("/checklist", {{"site", name}}));
    uint64_t open = 0;
    for (const auto& [severity, count] : site.exposures) open += count;
    PutNumber(row, "OPEN", open);
    if (!site.exposures.empty()) {
      PutOwn(*row.AddSectionDictionary("WORST"), "WORD",
             SeverityWord(site.exposures.rbegin()->first));
    }
    PutNumber(row, "CARDS", site.cards);
    PutNumber(row, "SCRIPTS", site.scripts);
    PutNumber(row, "AGENTS", site.agents);
    if (site.silent > 0) PutNumber(*row.AddSectionDictionary("SILENT"), "COUNT", site.silent);
    Show(row, "UNWATCHED", site.agents == 0);
  }
  Show(values, "HAS_SITES", shown > 0);
}

}  // namespace

absl::StatusOr<View> OverviewPage(const Context& context) {
  Found found;
  if (absl::Status s = FindExposures(context, found); !s.ok()) return s;
  if (absl::Status s = FindScripts(context, found); !s.ok()) return s;
  if (absl::Status s = FindAgents(context, found); !s.ok()) return s;

  View view("overview");
  view.title = "Overview";
  view.section = "/";
  Dictionary& values = *view.values;
  ShowExposures(found, context.now, values);
  ShowSites(found, values);

  PutNumber(values, "SCRIPTS_WAITING", found.scripts.size());
  Show(values, "NO_SCRIPTS_WAITING", found.scripts.empty());
  Show(values, "HAS_SCRIPTS_WAITING", !found.scripts.empty());
  for (size_t i = 0; i < std::min(found.scripts.size(), kRowsMax); ++i) {
    const v1::Script& script = found.scripts[i];
    Dictionary& row = *values.AddSectionDictionary("SCRIPT");
    Put(row, "NAME", script.name());
    Put(row, "SITE", script.site());
    PutOwn(row, "URL", ScriptUrl(script.site(), script.name()));
    PutOwn(row, "STATE", script.state() == v1::Script::STATE_CHANGED ? "changed" : "unapproved");
    PutTime(row, "LAST_SEEN", script.last_seen());
  }
  Show(values, "MORE_SCRIPTS", found.scripts.size() > kRowsMax);

  PutNumber(values, "AGENTS", found.agents);
  PutNumber(values, "AGENTS_SILENT", found.silent.size());
  Show(values, "NONE_SILENT", found.silent.empty());
  Show(values, "HAS_SILENT", !found.silent.empty());
  for (size_t i = 0; i < std::min(found.silent.size(), kRowsMax); ++i) {
    Dictionary& row = *values.AddSectionDictionary("AGENT");
    Put(row, "NAME", found.silent[i].identity());
    PutTime(row, "LAST_SEEN", found.silent[i].last_seen());
    PutOwn(row, "AGE", Age(store::FromTimestamp(found.silent[i].last_seen()), context.now));
  }
  Show(values, "CUT", found.cut);
  return view;
}

}  // namespace skimwatch::console
