#include "agent/uplink/policy_file.h"

#include <zlib.h>

#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skimwatch::uplink {
namespace {

// Field 15000, fixed32: (15000 << 3) | 5 as a varint.
constexpr std::string_view kCrcTag = "\xC5\xA9\x07";
constexpr size_t kTrailerBytes = 7;
constexpr uint64_t kFileBytesMax = 256 << 20;

std::string Trailer(std::string_view bytes) {
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  std::string trailer(kCrcTag);
  for (int shift = 0; shift < 32; shift += 8) trailer.push_back(static_cast<char>(crc >> shift));
  return trailer;
}

std::string PathIn(const std::string& directory) { return absl::StrCat(directory, "/policy.pb"); }

}  // namespace

absl::Status SavePolicy(FileSystem& files, const std::string& directory, const v1::Policy& policy) {
  const std::string path = PathIn(directory);
  const std::string beside = absl::StrCat(path, ".new");
  // Left by a crash.
  absl::Status status = files.Remove(beside);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  {
    absl::StatusOr<std::unique_ptr<File>> file =
        files.Open(beside, FileSystem::OpenMode::kCreateNew);
    if (!file.ok()) return file.status();
    std::string bytes = policy.SerializeAsString();
    bytes += Trailer(bytes);
    if (status = (*file)->WriteAt(0, bytes); !status.ok()) return status;
    if (status = (*file)->Sync(); !status.ok()) return status;
  }
  if (status = files.Rename(beside, path); !status.ok()) return status;
  return files.SyncDirectory(directory);
}

absl::StatusOr<v1::Policy> LoadPolicy(FileSystem& files, const std::string& directory) {
  const std::string path = PathIn(directory);
  absl::StatusOr<std::unique_ptr<File>> file = files.Open(path, FileSystem::OpenMode::kRead);
  if (!file.ok()) return file.status();
  absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size < kTrailerBytes || *size > kFileBytesMax) {
    return absl::DataLossError(absl::StrCat(path, ": has ", *size, " bytes"));
  }
  std::string bytes(*size, '\0');
  absl::StatusOr<size_t> got = (*file)->ReadAt(0, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  const size_t body = bytes.size() - kTrailerBytes;
  v1::Policy policy;
  if (*got != bytes.size() ||
      bytes.substr(body) != Trailer(std::string_view(bytes).substr(0, body)) ||
      !policy.ParseFromArray(bytes.data(), static_cast<int>(body))) {
    return absl::DataLossError(absl::StrCat(path, ": is damaged"));
  }
  return policy;
}

}  // namespace skimwatch::uplink
