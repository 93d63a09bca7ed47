#include "agent/script/source/file_content.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/source/folder_watches.h"

namespace skimwatch::script {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
// File systems keep times by ticks of up to two seconds.
constexpr absl::Duration kTimesSettle = absl::Seconds(3);

absl::Status ErrorOf(std::string_view doing, const std::string& path, int error) {
  const std::string text = absl::StrCat(path, ": can't ", std::string(doing), ": ",
                                        std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    default:
      return absl::InternalError(text);
  }
}

bool SameState(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

uint64_t StampOf(const struct stat& info) {
  const size_t stamp =
      absl::HashOf(info.st_dev, info.st_ino, info.st_size, info.st_mode, info.st_mtim.tv_sec,
                   info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
  return stamp == 0 ? 1 : stamp;
}

// A write within the same tick of the file system's clock as another leaves no trace in the times.
bool IsSettled(const struct stat& info) {
  const absl::Duration age = absl::Now() - absl::TimeFromTimespec(info.st_ctim);
  return age > kTimesSettle;
}

// Where an open file really is; empty when it has no name any more.
absl::StatusOr<std::string> RealPath(int fd, const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t size =
      readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), buffer.data(), buffer.size());
  if (size < 0) return ErrorOf("find where it is", path, errno);
  return std::string(buffer.data(), static_cast<size_t>(size));
}

}  // namespace

absl::StatusOr<FileContent> FileReader::Read(const std::string& path,
                                             const std::string& known_sha256,
                                             const std::function<bool()>& stop) const {
  const std::string whole = JoinPath(real_root_, path);
  struct stat before {};
  // Looked at before it is opened: opening a FIFO or a device can do something to it.
  if (stat(whole.c_str(), &before) != 0) return ErrorOf("look at", path, errno);
  if (!S_ISREG(before.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is no regular file"));
  }
  const int fd = open(whole.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return ErrorOf("open", path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  if (fstat(fd, &before) != 0) return ErrorOf("look at", path, errno);
  if (!S_ISREG(before.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is no regular file"));
  }

  FileContent content;
  content.modified = absl::TimeFromTimespec(before.st_mtim);
  absl::StatusOr<std::string> real = RealPath(fd, path);
  if (!real.ok()) return real.status();
  if (before.st_nlink == 0) {
    content.unstable = true;
  } else if (*real != whole) {
    const std::string inside = absl::StrCat(real_root_ == "/" ? "" : real_root_, "/");
    content.outside = !real->starts_with(inside);
    if (!content.outside) content.target = real->substr(inside.size());
  }
  content.too_large = static_cast<uint64_t>(before.st_size) > text_bytes_max_;

  // Both hashes as the bytes come where they can't be kept, else one now and one when it is needed.
  VersionHasher hasher;
  const size_t piece_bytes = std::min<size_t>(kPieceBytes, static_cast<size_t>(before.st_size) + 1);
  const auto piece = std::make_unique_for_overwrite<char[]>(piece_bytes);
  const bool keep = !content.outside;
  if (keep && !content.too_large) content.text.reserve(static_cast<size_t>(before.st_size));
  bool streaming = !keep || content.too_large;
  while (true) {
    const ssize_t got = read(fd, piece.get(), piece_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrorOf("read", path, errno);
    if (got == 0) break;
    const std::string_view bytes(piece.get(), static_cast<size_t>(got));
    content.bytes_read += bytes.size();
    if (!streaming && content.bytes_read > text_bytes_max_) {
      // It grew beyond the limit while it was read.
      content.too_large = streaming = true;
      hasher.Add(content.text);
      content.text = std::string();
    }
    if (streaming) {
      hasher.Add(bytes);
    } else {
      content.text.append(bytes);
    }
    // A file of millions of bytes must not hold up a stop.
    if (stop()) return absl::CancelledError(absl::StrCat(path, ": not read to its end"));
  }
  struct stat after {};
  if (fstat(fd, &after) != 0) return ErrorOf("look at", path, errno);
  if (!SameState(before, after) || content.bytes_read != static_cast<uint64_t>(after.st_size)) {
    content.unstable = true;
  }
  if (!content.unstable && IsSettled(after)) content.stamp = StampOf(after);
  if (streaming) {
    content.version = hasher.Finish();
    return content;
  }
  std::string sha256 = Sha256(content.text);
  if (sha256 == known_sha256) {
    content.version.set_sha256(std::move(sha256));
    content.version.set_size_bytes(content.text.size());
  } else {
    content.version = VersionOf(content.text);
  }
  return content;
}

uint64_t FileReader::Stamp(const std::string& path) const {
  struct stat info {};
  if (stat(JoinPath(real_root_, path).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  return StampOf(info);
}

}  // namespace skimwatch::script
