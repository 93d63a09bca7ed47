#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_CPU_TIME_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_CPU_TIME_H_

#include "absl/time/time.h"

namespace skimwatch::script {

// The processor time that the calling thread has had. As a clock for limits it does not go on while
// the machine does something else, so that what is left out does not hang on its load.
absl::Time ThreadCpuTime();

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_CPU_TIME_H_
