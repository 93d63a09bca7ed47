#include "agent/script/file_table.h"

#include <algorithm>

#include "agent/script/source/folder_watches.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace skimwatch::script {
namespace {

using google::protobuf::internal::WireFormatLite;

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void AppendField(int number, size_t size, std::string& out) {
  AppendVarint(WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), out);
  AppendVarint(size, out);
}

// A FileState with its path in front of the rest.
std::string WithPath(const std::string& path, const std::string& rest) {
  std::string bytes;
  AppendField(FileState::kPathFieldNumber, path.size(), bytes);
  bytes += path;
  bytes += rest;
  return bytes;
}

std::string WithoutPath(const FileState& file) {
  if (file.path().empty()) return file.SerializeAsString();
  FileState rest = file;
  rest.clear_path();
  return rest.SerializeAsString();
}

FileState Parsed(const std::string& path, const std::string& bytes) {
  FileState file;
  // Its own bytes.
  (void)file.ParseFromString(bytes);
  file.set_path(path);
  return file;
}

}  // namespace

std::pair<const std::string&, FileState> FileTable::Iterator::operator*() const {
  return {at_->first, Parsed(at_->first, at_->second.bytes)};
}

bool FileTable::IsLive(const std::string& path) const {
  const auto entry = files_.find(path);
  return entry != files_.end() && entry->second.is_live;
}

FileState FileTable::Get(const std::string& path) const {
  const auto entry = files_.find(path);
  return entry == files_.end() ? FileState() : Parsed(path, entry->second.bytes);
}

void FileTable::Count(const Counts& counts, FileEntry& entry) {
  scripts_ += counts.scripts;
  scripts_ -= entry.counts.scripts;
  unapproved_ += counts.unapproved;
  unapproved_ -= entry.counts.unapproved;
  entry.counts = counts;
}

void FileTable::Insert(const std::string& path, const FileState& file, const Counts& counts) {
  FileEntry& entry = files_[path];
  Count(counts, entry);
  const bool is_live = !file.sha256().empty();
  if (is_live != entry.is_live) is_live ? ++live_ : --live_;
  entry.is_live = is_live;
  entry.stamp = 0;
  entry.bytes = WithoutPath(file);
  entry.bytes.shrink_to_fit();
}

void FileTable::Put(const std::string& path, const FileState& file, const Counts& counts) {
  Insert(path, file, counts);
  changed_.insert(path);
}

void FileTable::Restore(const FileState& file, const Counts& counts) {
  Insert(file.path(), file, counts);
}

void FileTable::SetCounts(const std::string& path, const Counts& counts) {
  const auto entry = files_.find(path);
  if (entry != files_.end()) Count(counts, entry->second);
}

void FileTable::Erase(const std::string& path) {
  if (!files_.contains(path)) return;
  Forget(path);
  changed_.insert(path);
}

void FileTable::Forget(const std::string& path) {
  const auto entry = files_.find(path);
  if (entry == files_.end()) return;
  Count({}, entry->second);
  live_ -= entry->second.is_live ? 1 : 0;
  files_.erase(entry);
}

std::vector<std::string> FileTable::LiveBelow(const std::string& path) const {
  std::vector<std::string> live;
  for (auto entry = files_.lower_bound(path);
       entry != files_.end() && entry->first.starts_with(path); ++entry) {
    if (IsAtOrBelow(entry->first, path) && entry->second.is_live) live.push_back(entry->first);
  }
  return live;
}

uint64_t FileTable::Stamp(const std::string& path) const {
  const auto entry = files_.find(path);
  return entry == files_.end() ? 0 : entry->second.stamp;
}

void FileTable::SetStamp(const std::string& path, uint64_t stamp) {
  if (const auto entry = files_.find(path); entry != files_.end()) entry->second.stamp = stamp;
}

void FileTable::MarkSeen(const std::string& path, uint32_t look) {
  if (const auto entry = files_.find(path); entry != files_.end()) entry->second.seen = look;
}

std::vector<std::string> FileTable::LiveNotSeen(uint32_t look) const {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : files_) {
    if (entry.is_live && entry.seen != look) paths.push_back(path);
  }
  return paths;
}

std::string FileTable::Serialized() const {
  std::string all;
  size_t size = 0;
  constexpr size_t kAround = 16;
  for (const auto& [path, entry] : files_) size += path.size() + entry.bytes.size() + kAround;
  all.reserve(size);
  for (const auto& [path, entry] : files_) {
    const std::string file = WithPath(path, entry.bytes);
    AppendField(RootState::kFilesFieldNumber, file.size(), all);
    all += file;
  }
  return all;
}

std::vector<std::string> FileTable::SerializedChanges() const {
  std::vector<std::string> changes;
  changes.reserve(changed_.size());
  for (const std::string& path : changed_) {
    const auto entry = files_.find(path);
    changes.push_back(WithPath(path, entry == files_.end() ? std::string() : entry->second.bytes));
  }
  return changes;
}

}  // namespace skimwatch::script
