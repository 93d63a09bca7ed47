#ifndef SKIMWATCH_AGENT_SCRIPT_ROOT_STATE_H_
#define SKIMWATCH_AGENT_SCRIPT_ROOT_STATE_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/script/script_state.pb.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

// The file of a root's state in the state directory: named by a digest of site and path, so that a
// configuration may list roots in any order.
std::string RootStatePath(const std::string& state_directory, const config::v1::WebRoot& root);

struct LoadedRootState {
  // Without its files, which may be a million. Empty when there was none.
  RootState state;
  // There was one that could not be read; it was renamed to end in `.damaged`.
  bool set_aside = false;
  std::string why;
};

// Calls `on_file` for each file of a state that is whole. Errors name the file: it is there and can
// neither be read nor set aside.
absl::StatusOr<LoadedRootState> LoadRootState(
    const std::string& path, const std::function<void(const FileState& file)>& on_file);

// Replaces the file at once, durably. `files` are those of the state, as FileTable::Serialized has
// them; `state` has none.
absl::Status SaveRootState(const std::string& path, const RootState& state, std::string_view files);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_ROOT_STATE_H_
