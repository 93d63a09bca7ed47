#ifndef SKIMWATCH_AGENT_SCRIPT_ROOT_STATE_H_
#define SKIMWATCH_AGENT_SCRIPT_ROOT_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/script/script_state.pb.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

// The file of a root's state in the state directory: named by a digest of site and path, so that a
// configuration may list roots in any order.
std::string RootStatePath(const std::string& state_directory, const config::v1::WebRoot& root);

struct LoadedRootState {
  // Empty when there was none.
  RootState state;
  // There was one that could not be read; it was renamed to end in `.damaged`.
  bool set_aside = false;
  std::string why;
};

// Errors name the file: it is there and can neither be read nor set aside.
absl::StatusOr<LoadedRootState> LoadRootState(const std::string& path);

// Replaces the file at once, durably.
absl::Status SaveRootState(const std::string& path, const RootState& state);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_ROOT_STATE_H_
