#include "agent/traffic/source/tls_uprobe/mapped_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skimwatch::traffic {
namespace {

// Mappings of one process that are looked at.
constexpr int kMappingsMax = 65536;

// Takes a number off the front of `text`, and the character `end` after it.
std::optional<uint64_t> TakeNumber(std::string_view& text, int base, char end) {
  uint64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  const auto digits = static_cast<size_t>(at - text.data());
  if (digits >= text.size() || text[digits] != end) return std::nullopt;
  text.remove_prefix(digits + 1);
  return value;
}

// Opens a regular file, with that inode where it is given; -1 otherwise. What the path leads to is
// looked at before it is opened to be read, for opening a device can do harm.
int OpenRegular(const std::string& path, std::optional<uint64_t> inode) {
  const int place = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (place < 0) return -1;
  struct stat info = {};
  int fd = -1;
  if (fstat(place, &info) == 0 && S_ISREG(info.st_mode) &&
      (!inode.has_value() || info.st_ino == *inode)) {
    fd = open(absl::StrCat("/proc/self/fd/", place).c_str(), O_RDONLY | O_CLOEXEC);
  }
  close(place);
  return fd;
}

}  // namespace

std::optional<FileMapping> ParseMapping(pid_t pid, std::string_view line) {
  FileMapping mapping{.pid = pid};
  const std::optional<uint64_t> begin = TakeNumber(line, 16, '-');
  if (!begin.has_value()) return std::nullopt;
  const std::optional<uint64_t> end = TakeNumber(line, 16, ' ');
  constexpr size_t kRightsBytes = 5;
  if (!end.has_value() || line.size() < kRightsBytes || line[2] != 'x') return std::nullopt;
  line.remove_prefix(kRightsBytes);
  if (!TakeNumber(line, 16, ' ').has_value()) return std::nullopt;
  const std::optional<uint64_t> major = TakeNumber(line, 16, ':');
  if (!major.has_value()) return std::nullopt;
  const std::optional<uint64_t> minor = TakeNumber(line, 16, ' ');
  if (!minor.has_value()) return std::nullopt;
  const std::optional<uint64_t> inode = TakeNumber(line, 10, ' ');
  if (!inode.has_value() || *inode == 0) return std::nullopt;
  const size_t path = line.find('/');
  if (path == std::string_view::npos ||
      line.substr(0, path).find_first_not_of(' ') != std::string_view::npos) {
    return std::nullopt;
  }
  line.remove_prefix(path);
  constexpr std::string_view kDeleted = " (deleted)";
  if (line.ends_with(kDeleted)) line.remove_suffix(kDeleted.size());
  mapping.begin = *begin;
  mapping.end = *end;
  mapping.device = *major << 32 | *minor;
  mapping.inode = *inode;
  mapping.path = line;
  return mapping;
}

void ForEachMapping(pid_t pid, const std::function<void(const FileMapping&)>& take) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      fopen(absl::StrCat("/proc/", pid, "/maps").c_str(), "re"), fclose);
  if (file == nullptr) return;
  char* line = nullptr;
  size_t room = 0;
  const auto release = absl::MakeCleanup([&line] { free(line); });
  for (int i = 0; i < kMappingsMax; ++i) {
    const ssize_t size = getline(&line, &room, file.get());
    if (size <= 0) return;
    std::string_view text(line, static_cast<size_t>(size));
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (const std::optional<FileMapping> mapping = ParseMapping(pid, text); mapping.has_value()) {
      take(*mapping);
    }
  }
}

void ForEachProcess(pid_t except, const std::function<void(pid_t)>& take) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder.get())) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(entry->d_name, &pid) && pid > 0 && pid != except) take(pid);
  }
}

int OpenMapped(const FileMapping& mapping) {
  int fd = OpenRegular(
      absl::StrFormat("/proc/%d/map_files/%x-%x", mapping.pid, mapping.begin, mapping.end),
      std::nullopt);
  // The mapping was split, the process is gone, or CAP_CHECKPOINT_RESTORE is missing: by its path
  // then, if that still is the same file.
  if (fd < 0) {
    fd = OpenRegular(absl::StrCat("/proc/", mapping.pid, "/root", mapping.path), mapping.inode);
  }
  return fd < 0 ? OpenRegular(mapping.path, mapping.inode) : fd;
}

}  // namespace skimwatch::traffic
