#ifndef SKIMWATCH_COLLECTOR_CONSOLE_CHECKLIST_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_CHECKLIST_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::console {

// What is known of one site that PCI DSS 4.0.1, 6.4.3 and 11.6.1 ask about.
struct SiteEvidence {
  std::string site;
  // All of the site, without history.
  std::vector<v1::Script> scripts;
  // Agents of the site, with their looks at pages.
  std::vector<v1::Agent> agents;
  // Open exposures of scripts and headers.
  std::vector<v1::Exposure> exposures;
  // There was more of something than is here: nothing can be said to be complete.
  bool cut = false;
};

// One thing that a requirement asks for, and what there is to show for it.
struct ChecklistItem {
  // `6.4.3, first bullet`.
  std::string requirement;
  // What it asks for, in our words.
  std::string asked;
  // Everything that there is to show says so. Never true for want of evidence.
  bool pass = false;
  // What was counted, then what is in the way; at most a few lines.
  std::vector<std::string> evidence;
};

// Pure: the same evidence gives the same list. What is asked of people and papers (who reads the
// alarms, how often the inventory is reviewed) is not for a program to check, and is not here.
std::vector<ChecklistItem> CheckSite(const SiteEvidence& site, absl::Time now);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_CHECKLIST_H_
