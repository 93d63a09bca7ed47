#include "agent/script/version_store.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/judge/text_diff.h"
#include "agent/script/script_state.pb.h"
#include "agent/storage/checked_file.h"

namespace skimwatch::script {
namespace {

constexpr std::string_view kFacts = ".facts";
constexpr std::string_view kText = ".text";
constexpr size_t kHashDigits = 64;
// A thousand facts of every name, at their longest.
constexpr size_t kFactsBytesMax = size_t{16} << 20;

uint32_t SizeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint32_t>(info.st_size) : 0;
}

bool IsHash(std::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

void RemoveFile(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

}  // namespace

absl::StatusOr<std::unique_ptr<VersionStore>> VersionStore::Open(const std::string& directory,
                                                                 uint64_t bytes_max,
                                                                 absl::Duration burst) {
  if (mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return absl::InternalError(
        absl::StrCat(directory, ": can't be made: ", std::generic_category().message(errno)));
  }
  auto store = std::unique_ptr<VersionStore>(new VersionStore(directory, bytes_max, burst));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  return store;
}

VersionStore::Digest VersionStore::DigestOf(std::string_view sha256) {
  Digest digest{};
  std::copy_n(sha256.begin(), std::min(sha256.size(), digest.size()), digest.begin());
  return digest;
}

std::string VersionStore::PathOf(const Digest& digest, std::string_view kind) const {
  const absl::string_view bytes(digest.data(), digest.size());
  return absl::StrCat(directory_, "/", absl::BytesToHexString(bytes), std::string(kind));
}

void VersionStore::NoteAge(const Digest& digest, Entry& entry, absl::Time since) {
  if (entry.age != 0) return;
  entry.age = next_age_++;
  by_age_[entry.age] = {digest, since};
}

absl::Status VersionStore::Load() {
  absl::MutexLock lock(&mutex_);
  std::vector<std::tuple<absl::Time, Digest>> found;
  std::error_code error;
  std::filesystem::directory_iterator file(directory_, error);
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::string name = file->path().filename();
    const std::string stem = file->path().stem();
    const std::string kind = file->path().extension();
    if (!IsHash(stem) || (kind != kFacts && kind != kText)) {
      // Left by a crash.
      if (name.ends_with(storage::kUnfinishedSuffix)) RemoveFile(file->path());
      continue;
    }
    struct stat info {};
    if (stat(file->path().c_str(), &info) != 0) continue;
    const Digest digest = DigestOf(absl::HexStringToBytes(stem));
    Entry& entry = entries_[digest];
    const auto bytes = static_cast<uint32_t>(info.st_size);
    (kind == kFacts ? entry.facts_bytes : entry.text_bytes) = bytes;
    stats_.bytes += bytes;
    found.emplace_back(absl::TimeFromTimespec(info.st_mtim), digest);
  }
  if (error) {
    return absl::InternalError(absl::StrCat(directory_, ": can't be listed: ", error.message()));
  }
  std::sort(found.begin(), found.end());
  for (const auto& [time, digest] : found) NoteAge(digest, entries_[digest], time);
  MakeRoom();
  return absl::OkStatus();
}

uint32_t VersionStore::Write(const std::string& path, std::string_view content) {
  // Not durable: after a loss of power a damaged file is found out, and costs a difference.
  if (absl::Status status = storage::WriteChecked(path, content, false); !status.ok()) {
    ++stats_.write_errors;
    stats_.last_error = std::string(status.message());
    return 0;
  }
  return SizeOf(path);
}

bool VersionStore::IsFullOfBurst() const {
  // Room for one large text, so that what makes room now and then does not end here.
  constexpr uint64_t kRoom = 64 << 10;
  if (burst_ <= absl::ZeroDuration() || stats_.bytes + kRoom <= bytes_max_ || by_age_.empty()) {
    return false;
  }
  const absl::Duration age = absl::Now() - by_age_.begin()->second.since;
  return age >= absl::ZeroDuration() && age < burst_;
}

void VersionStore::Put(const std::string& sha256, const KeptVersion& version) {
  const Digest digest = DigestOf(sha256);
  absl::MutexLock lock(&mutex_);
  if (IsFullOfBurst()) {
    ++stats_.evicted;
    return;
  }
  Entry& entry = entries_[digest];
  if (entry.facts_bytes == 0) {
    VersionFacts facts;
    for (const v1::ScriptFact& fact : version.facts) *facts.add_facts() = fact;
    entry.facts_bytes = Write(PathOf(digest, kFacts), facts.SerializeAsString());
    stats_.bytes += entry.facts_bytes;
  }
  if (entry.text_bytes == 0 && version.text && version.text->size() <= kKeptTextBytesMax) {
    entry.text_bytes = Write(PathOf(digest, kText), *version.text);
    stats_.bytes += entry.text_bytes;
  }
  if (entry.facts_bytes > 0 || entry.text_bytes > 0) NoteAge(digest, entry, absl::Now());
  MakeRoom();
}

std::optional<KeptVersion> VersionStore::Get(const std::string& sha256) {
  const Digest digest = DigestOf(sha256);
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(digest);
  if (found == entries_.end() || found->second.facts_bytes == 0) return std::nullopt;
  Entry& entry = found->second;
  const std::string facts_path = PathOf(digest, kFacts);
  absl::StatusOr<std::string> bytes = storage::ReadChecked(facts_path, kFactsBytesMax);
  VersionFacts facts;
  if (!bytes.ok() || !facts.ParseFromString(*bytes)) {
    ++stats_.damaged;
    stats_.last_error = bytes.ok() ? absl::StrCat(facts_path, ": is damaged")
                                   : std::string(bytes.status().message());
    Erase(digest, entry, true);
    return std::nullopt;
  }
  KeptVersion version;
  version.facts.assign(facts.facts().begin(), facts.facts().end());
  if (entry.text_bytes == 0) return version;
  absl::StatusOr<std::string> text = storage::ReadChecked(PathOf(digest, kText), kKeptTextBytesMax);
  if (text.ok()) {
    version.text = *std::move(text);
  } else {
    ++stats_.damaged;
    stats_.last_error = std::string(text.status().message());
    Erase(digest, entry, false);
  }
  return version;
}

void VersionStore::Hold(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  ++entries_[DigestOf(sha256)].holders;
}

void VersionStore::Release(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(DigestOf(sha256));
  if (found == entries_.end() || --found->second.holders > 0) return;
  Erase(found->first, found->second, true);
  entries_.erase(found);
}

void VersionStore::DropUnheld() {
  absl::MutexLock lock(&mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->second.holders <= 0) {
      Erase(entry->first, entry->second, true);
      entries_.erase(entry);
    }
    entry = next;
  }
}

void VersionStore::Erase(const Digest& digest, Entry& entry, bool facts_too) {
  if (entry.text_bytes > 0) {
    RemoveFile(PathOf(digest, kText));
    stats_.bytes -= entry.text_bytes;
    entry.text_bytes = 0;
  }
  if (facts_too && entry.facts_bytes > 0) {
    RemoveFile(PathOf(digest, kFacts));
    stats_.bytes -= entry.facts_bytes;
    entry.facts_bytes = 0;
  }
  if (entry.facts_bytes > 0 || entry.text_bytes > 0) return;
  by_age_.erase(entry.age);
  entry.age = 0;
}

void VersionStore::MakeRoom() {
  for (const bool facts_too : {false, true}) {
    for (auto oldest = by_age_.begin(); oldest != by_age_.end() && stats_.bytes > bytes_max_;) {
      // It may be erased with what is kept of it.
      const Digest digest = oldest->second.digest;
      ++oldest;
      Entry& entry = entries_[digest];
      if (entry.text_bytes == 0 && (!facts_too || entry.facts_bytes == 0)) continue;
      Erase(digest, entry, facts_too);
      ++stats_.evicted;
    }
  }
}

VersionStore::Stats VersionStore::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace skimwatch::script
