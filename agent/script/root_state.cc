#include "agent/script/root_state.h"

#include <errno.h>

#include <cstdio>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/script_version.h"
#include "agent/storage/checked_file.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"

namespace skimwatch::script {
namespace {

constexpr size_t kStateBytesMax = size_t{1} << 30;
constexpr size_t kDigestBytes = 8;

// Reads a RootState without having all of its files in memory at once.
bool Parse(const std::string& bytes, RootState& state,
           const std::function<void(const FileState& file)>& on_file) {
  using google::protobuf::internal::WireFormatLite;
  constexpr uint32_t kFilesTag = WireFormatLite::MakeTag(RootState::kFilesFieldNumber,
                                                         WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetTotalBytesLimit(static_cast<int>(kStateBytesMax));
  // What is not of a file.
  std::string rest;
  google::protobuf::io::StringOutputStream rest_stream(&rest);
  google::protobuf::io::CodedOutputStream rest_output(&rest_stream);
  FileState file;
  std::string content;
  while (const uint32_t tag = input.ReadTag()) {
    if (tag != kFilesTag) {
      if (!WireFormatLite::SkipField(&input, tag, &rest_output)) return false;
      continue;
    }
    uint32_t size = 0;
    if (!input.ReadVarint32(&size) || !input.ReadString(&content, static_cast<int>(size)) ||
        !file.ParseFromString(content)) {
      return false;
    }
    if (on_file != nullptr) on_file(file);
  }
  rest_output.Trim();
  return input.ConsumedEntireMessage() && state.ParseFromString(rest);
}

}  // namespace

std::string RootStatePath(const std::string& state_directory, const config::v1::WebRoot& root) {
  const std::string digest = Sha256(absl::StrCat(root.site(), "\n", root.path()));
  return absl::StrCat(state_directory, "/", absl::BytesToHexString(digest.substr(0, kDigestBytes)),
                      ".root");
}

absl::StatusOr<LoadedRootState> LoadRootState(
    const std::string& path, const std::function<void(const FileState& file)>& on_file) {
  LoadedRootState loaded;
  absl::StatusOr<std::string> bytes = storage::ReadChecked(path, kStateBytesMax);
  if (absl::IsNotFound(bytes.status())) return loaded;
  // Nothing of one that is damaged is used.
  if (bytes.ok() && Parse(*bytes, loaded.state, nullptr)) {
    (void)Parse(*bytes, loaded.state, on_file);
    return loaded;
  }
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

absl::Status SaveRootState(const std::string& path, const RootState& state,
                           std::string_view files) {
  std::string bytes = state.SerializeAsString();
  bytes += files;
  return storage::WriteChecked(path, bytes, true);
}

}  // namespace skimwatch::script
