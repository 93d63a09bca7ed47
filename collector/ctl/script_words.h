#ifndef SKIMWATCH_COLLECTOR_CTL_SCRIPT_WORDS_H_
#define SKIMWATCH_COLLECTOR_CTL_SCRIPT_WORDS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::ctl {

// How a version is approved: `hash`, `publisher chat list 7`, `profile 3`; `expired`, `revoked`,
// `none` where it is not. The words that the inventory is searched by.
std::string ApprovalKind(const v1::ScriptRecord& record, absl::Time now);

// Whether the version's latest approval holds at `now`.
bool IsApproved(const v1::ScriptRecord& record, absl::Time now);

// A whole approval in one line: who, when, until when, why, and by what.
std::string ApprovalLine(const v1::ScriptApproval& approval, absl::Time now);

// When an approval ends, with a `!` where that is within `warning`; empty for never and for one
// that is over.
std::string ApprovalEnd(const v1::ScriptRecord& record, absl::Time now, absl::Duration warning);

// What keeps other bytes from running: `sri`, `csp-hash`, `none`, as far as any sensor saw.
std::string IntegrityMethod(const v1::ScriptRecord& record);

// `web_root, page, browser_report (12 browsers)`.
std::string Sensors(const v1::ScriptRecord& record);

// When the script was last known to be served: when who serves it was last heard of.
google::protobuf::Timestamp LastSeen(const v1::Script& script);

// Facts of a behaviour, one a line: `destination a.example by fetch`.
std::vector<std::string> BehaviourLines(const v1::ScriptBehaviour& behaviour);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_SCRIPT_WORDS_H_
