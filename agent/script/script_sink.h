#ifndef SKIMWATCH_AGENT_SCRIPT_SCRIPT_SINK_H_
#define SKIMWATCH_AGENT_SCRIPT_SCRIPT_SINK_H_

#include <string_view>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// Takes what the script sensors and their judge found. Called on the sensors' threads; an
// implementation is thread-safe.
class ScriptSink {
 public:
  virtual ~ScriptSink() = default;

  // A script of `site` was proposed, added, changed, removed or restored. `severity` is the
  // judge's.
  virtual void OnChange(std::string_view site, const v1::ScriptChange& change,
                        v1::Severity severity) = 0;

  // The text of a script or page that was just read, for the card scan. Valid during the call.
  virtual void OnText(std::string_view site, std::string_view script, std::string_view text) = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SCRIPT_SINK_H_
