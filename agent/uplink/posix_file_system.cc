#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/uplink/file_system.h"

namespace skimwatch::uplink {
namespace {

absl::Status ErrorOf(std::string_view doing, const std::string& path, int error) {
  const std::string text = absl::StrCat(path, ": can't ", std::string(doing), ": ",
                                        std::generic_category().message(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(text);
    case EIO:
      return absl::DataLossError(text);
    default:
      return absl::InternalError(text);
  }
}

class PosixFile : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { close(fd_); }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, absl::Span<char> buffer) override {
    size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t got =
          pread(fd_, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrorOf("read", path_, errno);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrorOf("write", path_, errno);
      offset += static_cast<uint64_t>(put);
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return ErrorOf("truncate", path_, errno);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (fdatasync(fd_) != 0) return ErrorOf("sync", path_, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat info {};
    if (fstat(fd_, &info) != 0) return ErrorOf("stat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
};

class PosixLock : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}
  ~PosixLock() override { close(fd_); }

 private:
  const int fd_;
};

class PosixFileSystem : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC | O_NOFOLLOW;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreateNew:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    const int fd = open(path.c_str(), flags, S_IRUSR | S_IWUSR);
    if (fd < 0) return ErrorOf("open", path, errno);
    return std::make_unique<PosixFile>(fd, path);
  }

  absl::Status CreateDirectory(const std::string& path) override {
    if (mkdir(path.c_str(), S_IRWXU) == 0) return absl::OkStatus();
    if (errno == ENOENT) {
      const std::string parent = std::filesystem::path(path).parent_path();
      if (parent.empty() || parent == path) return ErrorOf("create directory", path, ENOENT);
      if (absl::Status status = CreateDirectory(parent); !status.ok()) return status;
      if (mkdir(path.c_str(), S_IRWXU) == 0) return absl::OkStatus();
    }
    if (errno != EEXIST) return ErrorOf("create directory", path, errno);
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return ErrorOf("stat", path, errno);
    if (!S_ISDIR(info.st_mode)) return ErrorOf("use as a directory", path, ENOTDIR);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(path, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename());
    }
    if (error) return ErrorOf("list", path, error.value());
    return names;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) return ErrorOf("rename", from, errno);
    return absl::OkStatus();
  }

  absl::Status Link(const std::string& from, const std::string& to) override {
    if (link(from.c_str(), to.c_str()) != 0) return ErrorOf("link", from, errno);
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return ErrorOf("remove", path, errno);
    return absl::OkStatus();
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrorOf("open", path, errno);
    const int result = fsync(fd);
    const int error = errno;
    close(fd);
    // Some file systems have nothing to sync in a directory and say so.
    if (result != 0 && error != EINVAL) return ErrorOf("sync", path, error);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) return ErrorOf("open", path, errno);
    auto lock = std::make_unique<PosixLock>(fd);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrorOf("lock", path, errno);
      char holder[32] = {};
      if (pread(fd, holder, sizeof holder - 1, 0) <= 0) holder[0] = '\0';
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": another agent uses this folder (process ", holder,
                       "); give each agent a folder of its own"));
    }
    // For a person who finds the lock held; nothing depends on it.
    const std::string pid = std::to_string(getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) return lock;
    return lock;
  }
};

}  // namespace

std::unique_ptr<FileSystem> MakePosixFileSystem() { return std::make_unique<PosixFileSystem>(); }

}  // namespace skimwatch::uplink
