#ifndef SKIMWATCH_AGENT_PIPELINE_SCRIPT_FINDING_H_
#define SKIMWATCH_AGENT_PIPELINE_SCRIPT_FINDING_H_

#include <string_view>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// The finding that a change of a script makes, seen now, without its provenance.
v1::Finding MakeScriptFinding(std::string_view site, const v1::ScriptChange& change,
                              v1::Severity severity, v1::Confidence confidence);

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_SCRIPT_FINDING_H_
