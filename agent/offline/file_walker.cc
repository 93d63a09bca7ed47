#include "agent/offline/file_walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace skimwatch::offline {
namespace {

// statfs(2), f_type. Files there are windows into the kernel: some never end, some block, some act.
constexpr std::array<uint64_t, 13> kPseudoFileSystems = {
    0x9fa0,      // proc
    0x62656572,  // sysfs
    0x64626720,  // debugfs
    0x74726163,  // tracefs
    0x27e0eb,    // cgroup
    0x63677270,  // cgroup2
    0x73636673,  // securityfs
    0xf97cff8c,  // selinuxfs
    0x6165676c,  // pstore
    0xcafe4a11,  // bpf
    0x62656570,  // configfs
    0x1cd1,      // devpts
    0x65735543,  // fusectl
};

constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Leaves the time of the last access alone, which may be evidence, where this is allowed.
UniqueFd OpenAt(int folder, const char* name, int flags) {
  int fd = openat(folder, name, flags | O_NOATIME);
  if (fd < 0 && errno == EPERM) fd = openat(folder, name, flags);
  return UniqueFd(fd);
}

bool IsPseudoFileSystem(int fd) {
  struct statfs info {};
  if (fstatfs(fd, &info) != 0) return false;
  const auto type = static_cast<uint32_t>(info.f_type);
  return std::find(kPseudoFileSystems.begin(), kPseudoFileSystems.end(), type) !=
         kPseudoFileSystems.end();
}

std::string_view SpecialName(mode_t mode) {
  if (S_ISFIFO(mode)) return "is a named pipe";
  if (S_ISSOCK(mode)) return "is a socket";
  if (S_ISCHR(mode)) return "is a character device";
  if (S_ISBLK(mode)) return "is a block device";
  return "is no regular file";
}

std::string Join(const std::string& folder, const std::string& name) {
  if (folder.empty()) return name;
  return absl::StrCat(folder, folder.back() == '/' ? "" : "/", name);
}

}  // namespace

FileWalker::FileWalker(Options options, WalkVisitor& visitor, SkipSink& skips)
    : options_(std::move(options)),
      ignore_files_(options_.skimwatchignore, options_.gitignore, skips),
      visitor_(visitor),
      skips_(skips) {
  for (const std::string& glob : options_.exclude) {
    if (auto pattern = IgnorePattern::Parse(glob)) exclude_.Add(*std::move(pattern));
  }
  struct stat info {};
  if (options_.output_fd >= 0 && fstat(options_.output_fd, &info) == 0 && S_ISREG(info.st_mode)) {
    output_ = FileId(info.st_dev, info.st_ino);
  }
}

void FileWalker::Skip(const std::string& path, SkipReason reason, std::string_view detail) {
  if (!options_.measure_only) skips_.OnSkip(path, reason, detail);
}

void FileWalker::SkipError(const std::string& path, int error) {
  const bool vanished = error == ENOENT && !folders_.empty();
  Skip(path, vanished ? SkipReason::kVanished : SkipReason::kUnreadable,
       std::generic_category().message(error));
}

bool FileWalker::IsLeftOut(const std::string& path, const std::string& below, bool is_folder) {
  const IgnoreRules::Verdict verdict = exclude_.Check(below, is_folder);
  if (verdict == IgnoreRules::Verdict::kKept) return false;
  const SkipReason reason = verdict == IgnoreRules::Verdict::kIgnored
                                ? SkipReason::kExcluded
                                : ignore_files_.Check(below, is_folder);
  if (reason == SkipReason::kCount) return false;
  Skip(path, reason, "");
  return true;
}

bool FileWalker::Walk(const std::string& path) {
  if (path == "-") {
    struct stat info {};
    if (fstat(STDIN_FILENO, &info) != 0) {
      SkipError(path, errno);
      return true;
    }
    const bool regular = S_ISREG(info.st_mode);
    FoundFile file{.path = path, .bytes = regular ? static_cast<uint64_t>(info.st_size) : 0};
    if (!options_.measure_only) {
      file.fd = UniqueFd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
      if (!file.fd.valid()) {
        SkipError(path, errno);
        return true;
      }
    }
    return visitor_.OnFile(std::move(file));
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    SkipError(path, errno);
    return true;
  }
  if (!S_ISDIR(info.st_mode)) return WalkNamed(path, info);
  UniqueFd fd = OpenAt(AT_FDCWD, path.c_str(), kOpenFlags | O_DIRECTORY);
  if (!fd.valid()) {
    SkipError(path, errno);
    return true;
  }
  return WalkFolder(std::move(fd), path);
}

bool FileWalker::WalkNamed(const std::string& path, const struct stat& info) {
  if (S_ISCHR(info.st_mode) || S_ISSOCK(info.st_mode)) {
    Skip(path, SkipReason::kUnreadable, SpecialName(info.st_mode));
    return true;
  }
  if (IsOwnOutput(info)) {
    Skip(path, SkipReason::kOwnOutput, "is the file that findings are written to");
    return true;
  }
  if (options_.measure_only && S_ISFIFO(info.st_mode)) return visitor_.OnFile({.path = path});
  UniqueFd fd = OpenAt(AT_FDCWD, path.c_str(), kOpenFlags);
  if (!fd.valid()) {
    SkipError(path, errno);
    return true;
  }
  struct stat opened {};
  if (fstat(fd.get(), &opened) != 0) {
    SkipError(path, errno);
    return true;
  }
  FoundFile file{.path = path};
  file.seekable = S_ISREG(opened.st_mode) || S_ISBLK(opened.st_mode);
  if (file.seekable) {
    const off_t end = lseek(fd.get(), 0, SEEK_END);
    file.bytes = end > 0 ? static_cast<uint64_t>(end) : 0;
    lseek(fd.get(), 0, SEEK_SET);
  }
  // The pipe of a process substitution has no name, and its end is that of its data.
  constexpr uint32_t kPipeFileSystem = 0x50495045;
  struct statfs where {};
  file.named_pipe = S_ISFIFO(opened.st_mode) && fstatfs(fd.get(), &where) == 0 &&
                    static_cast<uint32_t>(where.f_type) != kPipeFileSystem;
  if (!options_.measure_only) file.fd = std::move(fd);
  return visitor_.OnFile(std::move(file));
}

bool FileWalker::WalkFolder(UniqueFd fd, const std::string& path) {
  folders_.clear();
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) {
    SkipError(path, errno);
    return true;
  }
  if (options_.follow_symlinks && !entered_.emplace(info.st_dev, info.st_ino).second) {
    Skip(path, SkipReason::kScannedBefore, "was scanned by another path");
    return true;
  }
  ignore_files_.Begin(path);
  Enter(std::move(fd), path, "", info);
  while (!folders_.empty()) {
    if (visitor_.Stopped()) return false;
    Folder& folder = folders_.back();
    if (folder.next == folder.names.size()) {
      folders_.pop_back();
      ignore_files_.Leave();
      continue;
    }
    const Name name = std::move(folder.names[folder.next++]);
    if (!Visit(name)) return false;
  }
  return true;
}

int FileWalker::ReadNames(int folder, std::vector<Name>& names) {
  // The stream takes its own descriptor, since it closes it.
  const int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return errno;
  DIR* const opened = fdopendir(own);
  if (opened == nullptr) {
    const int error = errno;
    close(own);
    return error;
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opened, closedir);
  while (true) {
    errno = 0;
    // Each stream is read by one thread only, which readdir(3) allows.
    const dirent* const entry = readdir(stream.get());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.push_back({std::string(name), entry->d_type});
  }
  const int error = errno;
  std::sort(names.begin(), names.end(),
            [](const Name& a, const Name& b) { return a.text < b.text; });
  return error;
}

void FileWalker::Enter(UniqueFd fd, std::string path, std::string below, const struct stat& info) {
  Folder folder{.fd = std::move(fd),
                .path = std::move(path),
                .below = std::move(below),
                .id = {info.st_dev, info.st_ino}};
  const int error = ReadNames(folder.fd.get(), folder.names);
  if (error != 0) {
    Skip(folder.path, SkipReason::kUnreadable,
         absl::StrCat("listing the folder: ", std::generic_category().message(error)));
  }
  ignore_files_.Enter(folder.fd.get(), folder.path, folder.below, [&](std::string_view name) {
    const auto found = std::lower_bound(
        folder.names.begin(), folder.names.end(), name,
        [](const Name& entry, std::string_view text) { return entry.text < text; });
    return found != folder.names.end() && found->text == name;
  });
  folders_.push_back(std::move(folder));
}

bool FileWalker::Visit(const Name& entry) {
  const Folder& folder = folders_.back();
  const std::string& name = entry.text;
  std::string path = Join(folder.path, name);
  std::string below = Join(folder.below, name);
  // Most are, and opening them tells the rest.
  if (entry.type == DT_REG && !options_.measure_only) {
    return IsLeftOut(path, below, /*is_folder=*/false) ||
           VisitFile(name, path, /*info=*/nullptr, /*is_link=*/false);
  }
  struct stat info {};
  if (fstatat(folder.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    SkipError(path, errno);
    return true;
  }
  const bool is_link = S_ISLNK(info.st_mode);
  // For git, too, a link is no folder, wherever it leads.
  if (IsLeftOut(path, below, S_ISDIR(info.st_mode))) return true;
  if (is_link) {
    if (!options_.follow_symlinks) {
      Skip(path, SkipReason::kSymlink, "");
      return true;
    }
    if (fstatat(folder.fd.get(), name.c_str(), &info, 0) != 0) {
      if (errno == ENOENT) {
        Skip(path, SkipReason::kSymlinkDangling, "");
      } else if (errno == ELOOP) {
        Skip(path, SkipReason::kSymlinkLoop, "");
      } else {
        SkipError(path, errno);
      }
      return true;
    }
  }
  if (S_ISDIR(info.st_mode)) {
    VisitFolder(name, std::move(path), std::move(below), info, is_link);
    return true;
  }
  return VisitFile(name, path, &info, is_link);
}

void FileWalker::VisitFolder(const std::string& name, std::string path, std::string below,
                             const struct stat& info, bool is_link) {
  if (folders_.size() > kDepthMax) {
    Skip(path, SkipReason::kTooDeep,
         absl::StrCat("is nested deeper than ", kDepthMax, " folders; name it itself to scan it"));
    return;
  }
  const FileId id(info.st_dev, info.st_ino);
  const bool other_file_system = id.first != folders_.back().id.first;
  if (other_file_system && options_.one_file_system) {
    Skip(path, SkipReason::kOtherFileSystem, "");
    return;
  }
  if (options_.follow_symlinks) {
    if (std::any_of(folders_.begin(), folders_.end(),
                    [&](const Folder& above) { return above.id == id; })) {
      Skip(path, SkipReason::kSymlinkLoop, "");
      return;
    }
    if (!entered_.insert(id).second) {
      Skip(path, SkipReason::kScannedBefore, "");
      return;
    }
  }
  UniqueFd fd = OpenAt(folders_.back().fd.get(), name.c_str(),
                       kOpenFlags | O_DIRECTORY | (is_link ? 0 : O_NOFOLLOW));
  if (!fd.valid()) {
    SkipError(path, errno);
    return;
  }
  if (other_file_system && IsPseudoFileSystem(fd.get())) {
    Skip(path, SkipReason::kPseudoFileSystem, "");
    return;
  }
  Enter(std::move(fd), std::move(path), std::move(below), info);
}

bool FileWalker::IsLeftOut(const std::string& path, const struct stat& info) {
  if (!S_ISREG(info.st_mode)) {
    Skip(path, SkipReason::kSpecialFile, SpecialName(info.st_mode));
    return true;
  }
  if (options_.file_bytes_max > 0 &&
      static_cast<uint64_t>(info.st_size) > options_.file_bytes_max) {
    Skip(path, SkipReason::kTooLarge, "");
    return true;
  }
  if (IsOwnOutput(info)) {
    Skip(path, SkipReason::kOwnOutput, "is the file that findings are written to");
    return true;
  }
  return false;
}

bool FileWalker::VisitFile(const std::string& name, const std::string& path,
                           const struct stat* info, bool is_link) {
  if (info != nullptr && IsLeftOut(path, *info)) return true;
  FoundFile file{.path = path, .seekable = true};
  if (options_.measure_only) {
    file.bytes = static_cast<uint64_t>(info->st_size);
    return visitor_.OnFile(std::move(file));
  }
  file.fd = OpenAt(folders_.back().fd.get(), name.c_str(), kOpenFlags | (is_link ? 0 : O_NOFOLLOW));
  if (!file.fd.valid()) {
    SkipError(path, errno);
    return true;
  }
  // What was a file may be a pipe by now.
  struct stat opened {};
  if (fstat(file.fd.get(), &opened) != 0) {
    SkipError(path, errno);
    return true;
  }
  if (IsLeftOut(path, opened)) return true;
  file.bytes = static_cast<uint64_t>(opened.st_size);
  return visitor_.OnFile(std::move(file));
}

}  // namespace skimwatch::offline
