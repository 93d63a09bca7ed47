#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_NAMED_HOSTS_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_NAMED_HOSTS_H_

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"

namespace skimwatch::script {

// Takes out of `hosts`, which are in lower case, those that `text` names anywhere: as a whole name,
// in any case, also behind an escape (`%2F%2Fa.example`, `\x2fa.example`). `etagmanager.com` is not
// named by `www.googletagmanager.com`, nor `a.example` by `a.example.org`.
//
// Thread-safe; one pass over the text however many hosts there are.
void RemoveNamedHosts(std::string_view text, absl::flat_hash_set<std::string>& hosts);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_NAMED_HOSTS_H_
