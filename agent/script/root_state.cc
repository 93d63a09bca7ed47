#include "agent/script/root_state.h"

#include <errno.h>

#include <cstdio>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/script_version.h"
#include "agent/storage/checked_file.h"

namespace skimwatch::script {
namespace {

constexpr size_t kStateBytesMax = size_t{1} << 30;
constexpr size_t kDigestBytes = 8;

}  // namespace

std::string RootStatePath(const std::string& state_directory, const config::v1::WebRoot& root) {
  const std::string digest = Sha256(absl::StrCat(root.site(), "\n", root.path()));
  return absl::StrCat(state_directory, "/", absl::BytesToHexString(digest.substr(0, kDigestBytes)),
                      ".root");
}

absl::StatusOr<LoadedRootState> LoadRootState(const std::string& path) {
  LoadedRootState loaded;
  absl::StatusOr<std::string> bytes = storage::ReadChecked(path, kStateBytesMax);
  if (absl::IsNotFound(bytes.status())) return loaded;
  if (bytes.ok() && loaded.state.ParseFromString(*bytes)) return loaded;
  if (!bytes.ok() && !absl::IsDataLoss(bytes.status())) return bytes.status();
  loaded.state.Clear();
  loaded.set_aside = true;
  loaded.why =
      bytes.ok() ? absl::StrCat(path, ": is damaged") : std::string(bytes.status().message());
  const std::string aside = absl::StrCat(path, ".damaged");
  if (rename(path.c_str(), aside.c_str()) != 0) {
    return absl::InternalError(absl::StrCat(
        path, ": is damaged and can't be set aside: ", std::generic_category().message(errno)));
  }
  return loaded;
}

absl::Status SaveRootState(const std::string& path, const RootState& state) {
  return storage::WriteChecked(path, state.SerializeAsString(), true);
}

}  // namespace skimwatch::script
