#include "agent/script/judge/cpu_time.h"

#include <time.h>

namespace skimwatch::script {

absl::Time ThreadCpuTime() {
  timespec had{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &had);
  return absl::TimeFromTimespec(had);
}

}  // namespace skimwatch::script
