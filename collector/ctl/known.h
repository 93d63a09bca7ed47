#ifndef SKIMWATCH_COLLECTOR_CTL_KNOWN_H_
#define SKIMWATCH_COLLECTOR_CTL_KNOWN_H_

#include "collector/ctl/options.h"
#include "collector/ctl/session.h"

namespace skimwatch::ctl {

// Notes, on standard error, which of --site, --agent and --exposure name what the collector does
// not know, and what it knows instead: else a slip of the finger reads as "nothing there". For
// answers that came out empty and decisions about a site; asks the collector, and says nothing
// where it can't.
void NoteUnknown(const Options& options, Session& session);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_KNOWN_H_
