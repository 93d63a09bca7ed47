#include "agent/offline/baseline.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <system_error>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/offline/unique_fd.h"
#include "nlohmann/json.hpp"
#include "proto/text/printable.h"

namespace skimwatch::offline {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr size_t kIdentityDigits = 32;
constexpr uint64_t kFileBytesMax = uint64_t{256} << 20;

absl::Status FileError(const std::string& path, std::string_view what, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat("baseline ", path, ": ", std::string(what), ": ",
                                                 std::generic_category().message(error)));
}

absl::Status Wrong(const std::string& path, const std::string& field, std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("baseline ", path, ": ", field, ": expected ", std::string(expected)));
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return FileError(path, "cannot open it", errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return FileError(path, "cannot read it", errno);
  if (!S_ISREG(info.st_mode)) return Wrong(path, "the file", "a regular file");
  if (static_cast<uint64_t>(info.st_size) > kFileBytesMax) {
    return Wrong(path, "the file", "at most 256 MiB");
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path, "cannot read it", errno);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  text.resize(size);
  return text;
}

bool IsIdentity(const json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() == kIdentityDigits &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

absl::Status WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "");
    text.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Baseline>> Baseline::Load(const std::string& path,
                                                         const std::string& key_id) {
  const absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return text.status();
  const json file = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!file.is_object()) return Wrong(path, "the file", "a JSON object");
  if (!file.contains("version") || file["version"] != kVersion) {
    return Wrong(path, "version", absl::StrCat(kVersion));
  }
  if (!file.contains("key_id") || !file["key_id"].is_string()) {
    return Wrong(path, "key_id", "the id of a key");
  }
  if (const auto& made_with = file["key_id"].get_ref<const std::string&>(); made_with != key_id) {
    return Wrong(path, "key_id",
                 absl::StrCat("the run's key `", key_id, "`, found `", text::Printable(made_with),
                              "`: give that key with --fingerprint-key, or write a new baseline"));
  }
  if (!file.contains("findings") || !file["findings"].is_array()) {
    return Wrong(path, "findings", "a list");
  }
  auto baseline = std::make_unique<Baseline>(key_id);
  absl::MutexLock lock(&baseline->mutex_);
  size_t index = 0;
  for (const json& finding : file["findings"]) {
    const std::string field = absl::StrCat("findings[", index++, "]");
    if (!finding.is_object()) return Wrong(path, field, "an object");
    const auto id = finding.find("id");
    if (id == finding.end() || !IsIdentity(*id)) {
      return Wrong(path, field + ".id", absl::StrCat(kIdentityDigits, " hexadecimal digits"));
    }
    const auto count = finding.find("count");
    if (count == finding.end() || !count->is_number_unsigned() || *count == 0) {
      return Wrong(path, field + ".count", "a whole number above 0");
    }
    Counted& counted = baseline->findings_[id->get<std::string>()];
    counted.entry.count += count->get<uint64_t>();
  }
  return baseline;
}

bool Baseline::Take(std::string_view identity) {
  absl::MutexLock lock(&mutex_);
  const auto found = findings_.find(identity);
  if (found == findings_.end() || found->second.taken == found->second.entry.count) return false;
  ++found->second.taken;
  return true;
}

uint64_t Baseline::untaken() const {
  absl::MutexLock lock(&mutex_);
  uint64_t left = 0;
  for (const auto& [id, counted] : findings_) left += counted.entry.count - counted.taken;
  return left;
}

void Baseline::Add(std::string_view identity, std::string_view path, std::string_view kind,
                   std::string_view brand) {
  absl::MutexLock lock(&mutex_);
  Entry& entry = findings_[std::string(identity)].entry;
  if (entry.count++ > 0) return;
  entry.path = path;
  entry.kind = kind;
  entry.brand = brand;
}

absl::Status Baseline::Save(const std::string& path) const {
  std::vector<std::tuple<std::string, std::string, const Entry*>> sorted;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, counted] : findings_) {
    sorted.emplace_back(counted.entry.path, id, &counted.entry);
  }
  std::sort(sorted.begin(), sorted.end());
  std::string text = absl::StrCat("{\"version\":", kVersion,
                                  ",\"key_id\":", ordered_json(key_id_).dump(), ",\"findings\":[");
  const char* separator = "\n";
  for (const auto& [file, id, entry] : sorted) {
    const ordered_json line = {{"id", id},
                               {"count", entry->count},
                               {"path", file},
                               {"kind", entry->kind},
                               {"brand", entry->brand}};
    absl::StrAppend(
        &text, separator,
        line.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace));
    separator = ",\n";
  }
  text += "\n]}\n";

  // Beside it, so that it takes its place in one step.
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return FileError(path, "cannot write beside it", errno);
  // Nothing in it is a secret, and others review it.
  constexpr mode_t kMode = 0644;
  absl::Status written = WriteAll(fd.get(), text);
  if (written.ok() && (fchmod(fd.get(), kMode) != 0 || fsync(fd.get()) != 0 ||
                       rename(temporary.c_str(), path.c_str()) != 0)) {
    written = absl::ErrnoToStatus(errno, "");
  }
  if (written.ok()) return written;
  const int error = errno;
  unlink(temporary.c_str());
  return FileError(path, "cannot write it", error);
}

}  // namespace skimwatch::offline
