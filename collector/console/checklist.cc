#include "collector/console/checklist.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/console/view.h"
#include "collector/store/timestamp.h"

namespace skimwatch::console {
namespace {

using store::FromTimestamp;

// Names of what is in the way, before "and N more".
constexpr size_t kNamesMax = 5;
// 11.6.1: at least once every seven days.
constexpr absl::Duration kWeek = absl::Hours(7 * 24);

std::string Count(size_t number, const std::string& what) {
  return absl::StrCat(number, " ", what, number == 1 ? "" : "s");
}

// Adds the names of what is in the way.
void Name(const std::vector<std::string>& names, const std::string& what, ChecklistItem& item) {
  if (names.empty()) return;
  item.pass = false;
  std::string line = absl::StrCat(what, ": ");
  for (size_t i = 0; i < std::min(names.size(), kNamesMax); ++i) {
    absl::StrAppend(&line, i == 0 ? "" : ", ", names[i]);
  }
  if (names.size() > kNamesMax) {
    absl::StrAppend(&line, " and ", names.size() - kNamesMax, " more");
  }
  item.evidence.push_back(std::move(line));
}

std::vector<const v1::Script*> Served(const SiteEvidence& site) {
  std::vector<const v1::Script*> served;
  for (const v1::Script& script : site.scripts) {
    if (script.state() != v1::Script::STATE_MISSING) served.push_back(&script);
  }
  return served;
}

std::vector<std::string> NamesWhere(const std::vector<const v1::Script*>& scripts,
                                    const std::function<bool(const v1::Script&)>& is) {
  std::vector<std::string> names;
  for (const v1::Script* const script : scripts) {
    if (is(*script)) names.push_back(script->name());
  }
  return names;
}

// Begins an item about scripts: nothing passes where nothing is known.
ChecklistItem OfScripts(const SiteEvidence& site, size_t served, std::string requirement,
                        std::string asked) {
  ChecklistItem item{.requirement = std::move(requirement), .asked = std::move(asked)};
  item.pass = served > 0 && !site.cut;
  if (served == 0) item.evidence.push_back("No agent has reported a script of this site.");
  if (site.cut) item.evidence.push_back("There is more than this page looks at.");
  return item;
}

ChecklistItem Authorized(const SiteEvidence& site, const std::vector<const v1::Script*>& served) {
  ChecklistItem item = OfScripts(site, served.size(), "6.4.3, first bullet",
                                 "A method confirms that each script is authorized.");
  const std::vector<std::string> without = NamesWhere(served, [](const v1::Script& script) {
    return script.state() != v1::Script::STATE_APPROVED;
  });
  if (!served.empty()) {
    item.evidence.push_back(absl::StrCat(served.size() - without.size(), " of ",
                                         Count(served.size(), "script"),
                                         " served now are approved."));
  }
  Name(without, "Without approval", item);
  return item;
}

ChecklistItem Intact(const SiteEvidence& site, const std::vector<const v1::Script*>& served) {
  ChecklistItem item = OfScripts(site, served.size(), "6.4.3, second bullet",
                                 "A method assures the integrity of each script.");
  Name(NamesWhere(
           served,
           [](const v1::Script& script) { return script.state() == v1::Script::STATE_CHANGED; }),
       "Changed since the approval", item);
  std::vector<std::string> silent;
  size_t connected = 0;
  for (const v1::Agent& agent : site.agents) {
    if (agent.state() == v1::Agent::STATE_CONNECTED) {
      ++connected;
    } else {
      silent.push_back(agent.identity());
    }
  }
  if (connected == 0) {
    item.pass = false;
    item.evidence.push_back("No agent of this site is connected, so a change would go unseen.");
  } else if (!served.empty()) {
    item.evidence.push_back(absl::StrCat(Count(connected, "connected agent"),
                                         connected == 1 ? " compares" : " compare",
                                         " every version's SHA-256."));
  }
  Name(silent, "Agents that are silent", item);
  return item;
}

ChecklistItem Justified(const SiteEvidence& site, const std::vector<const v1::Script*>& served) {
  ChecklistItem item = OfScripts(site, served.size(), "6.4.3, third bullet",
                                 "An inventory of all scripts is kept, with a written "
                                 "justification of why each is necessary.");
  // An approval is not taken without one.
  const std::vector<std::string> without = NamesWhere(served, [](const v1::Script& script) {
    return script.state() != v1::Script::STATE_APPROVED && script.justification().empty();
  });
  if (!served.empty()) {
    item.evidence.push_back(absl::StrCat("The inventory has ", Count(served.size(), "script"),
                                         " served now; ", served.size() - without.size(),
                                         " with a written justification."));
  }
  Name(without, "Without one", item);
  return item;
}

struct Look {
  std::string agent;
  const v1::PageLook* page = nullptr;
};

std::vector<Look> LooksAt(const SiteEvidence& site) {
  std::vector<Look> looks;
  for (const v1::Agent& agent : site.agents) {
    for (const v1::PageLook& page : agent.pages()) {
      if (page.site() == site.site) looks.push_back({agent.identity(), &page});
    }
  }
  return looks;
}

std::vector<std::string> NamesWhere(const std::vector<Look>& looks,
                                    const std::function<bool(const v1::PageLook&)>& is) {
  std::vector<std::string> names;
  for (const Look& look : looks) {
    if (is(*look.page)) names.push_back(absl::StrCat(look.page->name(), " (", look.agent, ")"));
  }
  return names;
}

ChecklistItem OfPages(const SiteEvidence& site, const std::vector<Look>& looks,
                      std::string requirement, std::string asked) {
  ChecklistItem item{.requirement = std::move(requirement), .asked = std::move(asked)};
  item.pass = !looks.empty() && !site.cut;
  if (looks.empty()) {
    item.evidence.push_back(
        "No agent looks at a payment page of this site (docs/pages.md says how).");
  }
  if (site.cut) item.evidence.push_back("There is more than this page looks at.");
  return item;
}

ChecklistItem Alerts(const SiteEvidence& site, const std::vector<Look>& looks) {
  ChecklistItem item =
      OfPages(site, looks, "11.6.1, first bullet",
              "Unauthorized modification of security-impacting HTTP headers and of script contents "
              "is detected as the consumer's browser receives them, and people are alerted.");
  if (!looks.empty()) {
    item.evidence.push_back(absl::StrCat(Count(looks.size(), "look"), " at payment pages ",
                                         looks.size() == 1 ? "is" : "are", " configured."));
  }
  std::vector<std::string> open;
  for (const v1::Exposure& exposure : site.exposures) {
    if (exposure.state() != v1::Exposure::STATE_OPEN) continue;
    if (exposure.kind() == v1::FINDING_KIND_HEADER_CHANGE ||
        exposure.kind() == v1::FINDING_KIND_SCRIPT_CHANGE) {
      open.push_back(absl::StrCat("exposure ", exposure.id(), " (", exposure.channel(), ")"));
    }
  }
  if (open.empty() && !looks.empty()) {
    item.evidence.push_back("No exposure of a changed header or script is open.");
  }
  Name(open, "Changes that wait for a person", item);
  return item;
}

ChecklistItem Evaluates(const SiteEvidence& site, const std::vector<Look>& looks) {
  ChecklistItem item =
      OfPages(site, looks, "11.6.1, second bullet",
              "The mechanism evaluates the received HTTP headers and payment pages.");
  const std::vector<std::string> failed = NamesWhere(
      looks, [](const v1::PageLook& page) { return page.outcome() != v1::PageLook::OUTCOME_OK; });
  const std::vector<std::string> without =
      NamesWhere(looks, [](const v1::PageLook& page) { return page.without_browser(); });
  if (!looks.empty()) {
    item.evidence.push_back(absl::StrCat(looks.size() - failed.size(), " of ", looks.size(),
                                         " looks saw the whole page the last time."));
  }
  Name(failed, "The last look was not whole", item);
  Name(without, "Without a browser, so that what scripts do is not seen", item);
  return item;
}

ChecklistItem Weekly(const SiteEvidence& site, const std::vector<Look>& looks, absl::Time now) {
  ChecklistItem item = OfPages(site, looks, "11.6.1, third bullet",
                               "That is done at least once every seven days, or as often as the "
                               "entity's targeted risk analysis says.");
  const std::vector<std::string> late = NamesWhere(looks, [&](const v1::PageLook& page) {
    return !page.has_last_whole_look() || now - FromTimestamp(page.last_whole_look()) > kWeek;
  });
  absl::Time oldest = now;
  for (const Look& look : looks) {
    if (look.page->has_last_whole_look()) {
      oldest = std::min(oldest, FromTimestamp(look.page->last_whole_look()));
    }
  }
  if (!looks.empty() && late.empty()) {
    item.evidence.push_back(absl::StrCat("The oldest last whole look was ", Age(oldest, now), "."));
  }
  Name(late, "Not seen whole for seven days", item);
  return item;
}

}  // namespace

std::vector<ChecklistItem> CheckSite(const SiteEvidence& site, absl::Time now) {
  const std::vector<const v1::Script*> served = Served(site);
  const std::vector<Look> looks = LooksAt(site);
  return {Authorized(site, served), Intact(site, served),   Justified(site, served),
          Alerts(site, looks),      Evaluates(site, looks), Weekly(site, looks, now)};
}

}  // namespace skimwatch::console
