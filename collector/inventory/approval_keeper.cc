#include "collector/inventory/approval_keeper.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/publisher/publishers.h"
#include "proto/text/printable.h"
#include "spdlog/spdlog.h"

namespace skimwatch::inventory {
namespace {

constexpr size_t kFilesMax = 1000;
constexpr std::string_view kListSuffix = ".json";
constexpr std::string_view kSignatureSuffix = ".sig";

// At most one byte more than a list may have.
absl::StatusOr<std::string> Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path.string(), ": can't be read"));
  std::string bytes(publisher::kListBytesMax + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

// Tells one state of a file from another; empty where there is no such file.
std::string MarkOf(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return "";
  const auto size = std::filesystem::file_size(path, error);
  if (error) return "";
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return "";
  return absl::StrCat(size, " ", time.time_since_epoch().count(), ";");
}

}  // namespace

ApprovalKeeper::ApprovalKeeper(Options options)
    : options_(std::move(options)), thread_([this] { Run(); }) {}

ApprovalKeeper::~ApprovalKeeper() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void ApprovalKeeper::ImportFolder(Inventory& inventory, const std::string& folder,
                                  std::map<std::string, std::string>& seen) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) {
    std::string& mark = seen[folder];
    if (mark != error.message()) {
      spdlog::warn("script_approvals.lists_folder: {}: {}", folder, error.message());
    }
    mark = error.message();
    return;
  }
  seen.erase(folder);
  size_t files = 0;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error || ++files > kFilesMax) return;
    const std::filesystem::path& path = entries->path();
    if (path.extension() != kListSuffix) continue;
    std::filesystem::path signature_path = path;
    signature_path += kSignatureSuffix;
    const std::string list_mark = MarkOf(path);
    const std::string signature_mark = MarkOf(signature_path);
    // One of the two is still to come.
    if (list_mark.empty() || signature_mark.empty()) continue;
    std::string& mark = seen[path.string()];
    if (mark == list_mark + signature_mark) continue;
    mark = list_mark + signature_mark;
    absl::StatusOr<std::string> list = Read(path);
    absl::StatusOr<std::string> signature = Read(signature_path);
    if (!list.ok() || !signature.ok()) {
      spdlog::warn("{}", (list.ok() ? signature : list).status().ToString());
      continue;
    }
    v1::ImportPublisherListRequest request;
    request.set_list(*std::move(list));
    request.set_signature(*std::move(signature));
    absl::StatusOr<v1::ImportPublisherListResponse> imported =
        inventory.ImportPublisherList(request, exposure::kCollectorName);
    if (!imported.ok()) {
      spdlog::warn("{}: not imported: {}", text::Printable(path.string()),
                   imported.status().ToString());
      // A store that fails works again some time.
      if (absl::IsUnavailable(imported.status()) || absl::IsResourceExhausted(imported.status())) {
        mark.clear();
      }
    } else if (!imported->unchanged()) {
      spdlog::info("{}: imported list {} of {}: {} versions approved, {} withdrawn",
                   text::Printable(path.string()), imported->serial(), imported->publisher(),
                   imported->approved(), imported->withdrawn());
    }
  }
}

void ApprovalKeeper::Run() {
  absl::Duration since_folder = options_.folder_interval;
  while (true) {
    if (!options_.lists_folder.empty() && since_folder >= options_.folder_interval) {
      since_folder = absl::ZeroDuration();
      ImportFolder(*options_.inventory, options_.lists_folder, seen_);
    }
    absl::StatusOr<uint64_t> ended = options_.inventory->EndApprovals();
    if (!ended.ok()) {
      spdlog::warn("approvals whose time is over can't be ended: {}", ended.status().ToString());
    } else if (*ended > 0) {
      spdlog::info("{} approvals expired", *ended);
    }
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.interval)) return;
    since_folder += options_.interval;
  }
}

}  // namespace skimwatch::inventory
