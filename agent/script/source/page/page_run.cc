#include "agent/script/source/page/page_run.h"

namespace skimwatch::script {

std::string_view PageOutcomeName(PageOutcome outcome) {
  switch (outcome) {
    case PageOutcome::kOk:
      return "ok";
    case PageOutcome::kNotStarted:
      return "not_started";
    case PageOutcome::kNotLoaded:
      return "not_loaded";
    case PageOutcome::kStepFailed:
      return "step_failed";
    case PageOutcome::kTimeout:
      return "timeout";
    case PageOutcome::kCrashed:
      return "crashed";
    case PageOutcome::kMemory:
      return "memory";
    case PageOutcome::kIncomplete:
      return "incomplete";
    case PageOutcome::kCount:
      break;
  }
  return "unknown";
}

}  // namespace skimwatch::script
