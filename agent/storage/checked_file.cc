#include "agent/storage/checked_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::storage {
namespace {

constexpr std::string_view kMagic("SKWC\x01\0\0\0", 8);
constexpr size_t kHeaderBytes = 20;
// Larger than any content that is written, compressed at worst.
constexpr off_t kFileBytesMax = off_t{4} << 30;

absl::Status ErrorOf(std::string_view doing, const std::string& path, int error) {
  const std::string text = absl::StrCat(path, ": can't ", std::string(doing), ": ",
                                        std::generic_category().message(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

void AppendLittleEndian(uint64_t value, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  return value;
}

uint32_t Crc(std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

absl::Status WriteAll(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrorOf("write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrorOf("open", folder, errno);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  // Some file systems have nothing to sync in a folder and say so.
  if (result != 0 && error != EINVAL) return ErrorOf("sync", folder, error);
  return absl::OkStatus();
}

absl::Status WriteNew(const std::string& path, std::string_view bytes, bool durable) {
  // Mode 0600: what a shop's scripts are is nobody else's business.
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return ErrorOf("make", path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  if (absl::Status status = WriteAll(fd, path, bytes); !status.ok()) return status;
  if (durable && fdatasync(fd) != 0) return ErrorOf("sync", path, errno);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteChecked(const std::string& path, std::string_view content, bool durable) {
  std::string body;
  AppendLittleEndian(content.size(), 8, body);
  uLongf size = compressBound(content.size());
  body.resize(8 + size);
  if (compress2(reinterpret_cast<Bytef*>(body.data() + 8), &size,
                reinterpret_cast<const Bytef*>(content.data()), content.size(),
                Z_BEST_SPEED) != Z_OK) {
    return absl::InternalError(absl::StrCat(path, ": can't be compressed"));
  }
  body.resize(8 + size);
  std::string bytes(kMagic);
  AppendLittleEndian(Crc(body), 4, bytes);
  bytes += body;

  const std::string beside = absl::StrCat(path, std::string(kUnfinishedSuffix));
  absl::Status status = WriteNew(beside, bytes, durable);
  if (status.ok() && rename(beside.c_str(), path.c_str()) != 0) {
    status = ErrorOf("replace", path, errno);
  }
  if (!status.ok()) {
    unlink(beside.c_str());
    return status;
  }
  return durable ? SyncFolderOf(path) : absl::OkStatus();
}

absl::StatusOr<std::string> ReadChecked(const std::string& path, size_t content_bytes_max) {
  const absl::Status damaged = absl::DataLossError(absl::StrCat(path, ": is damaged"));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return ErrorOf("open", path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return ErrorOf("look at", path, errno);
  if (!S_ISREG(info.st_mode) || info.st_size < static_cast<off_t>(kHeaderBytes) ||
      info.st_size > kFileBytesMax) {
    return damaged;
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = read(fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrorOf("read", path, errno);
    if (got == 0) return damaged;
    done += static_cast<size_t>(got);
  }
  const std::string_view all(bytes);
  if (!all.starts_with(kMagic) || LittleEndian(all.substr(8, 4)) != Crc(all.substr(12))) {
    return damaged;
  }
  const uint64_t size = LittleEndian(all.substr(12, 8));
  if (size > content_bytes_max) return damaged;
  std::string content(size, '\0');
  uLongf content_size = size;
  // zlib wants a place to write even where nothing comes.
  Bytef none = 0;
  const int result = uncompress(
      size == 0 ? &none : reinterpret_cast<Bytef*>(content.data()), &content_size,
      reinterpret_cast<const Bytef*>(all.data() + kHeaderBytes), all.size() - kHeaderBytes);
  if (result != Z_OK || content_size != size) return damaged;
  return content;
}

}  // namespace skimwatch::storage
