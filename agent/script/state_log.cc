#include "agent/script/state_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skimwatch::script {
namespace {

constexpr std::string_view kMagic("SKWL\x01\0\0\0", 8);
constexpr size_t kHeaderBytes = 16;
constexpr size_t kRecordHeaderBytes = 8;
// Far above what a state may grow to between two that are written whole.
constexpr off_t kFileBytesMax = off_t{4} << 30;

absl::Status ErrorOf(std::string_view doing, const std::string& path, int error) {
  return absl::InternalError(absl::StrCat(path, ": can't ", std::string(doing), ": ",
                                          std::generic_category().message(error)));
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

std::string Header(uint64_t generation) {
  std::string header(kMagic);
  AppendLittleEndian(generation, 8, header);
  return header;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

}  // namespace

StateLog::~StateLog() { Close(); }

void StateLog::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  bytes_ = 0;
}

absl::Status StateLog::Replay(uint64_t generation,
                              const std::function<void(std::string_view record)>& on_record) {
  Close();
  const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT ? absl::OkStatus() : ErrorOf("open", path_, errno);
  fd_ = fd;
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    Close();
    return ErrorOf("look at", path_, error);
  }
  if (!S_ISREG(info.st_mode) || info.st_size < static_cast<off_t>(kHeaderBytes) ||
      info.st_size > kFileBytesMax) {
    Close();
    return absl::OkStatus();
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = read(fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      Close();
      return ErrorOf("read", path_, error);
    }
    if (got == 0) bytes.resize(done);
    done += static_cast<size_t>(got);
  }
  std::string_view rest(bytes);
  if (!rest.starts_with(Header(generation))) {
    Close();
    return absl::OkStatus();
  }
  rest.remove_prefix(kHeaderBytes);
  while (rest.size() >= kRecordHeaderBytes) {
    const uint64_t size = LittleEndian(rest.substr(0, 4));
    if (size > rest.size() - kRecordHeaderBytes) break;
    const std::string_view record = rest.substr(kRecordHeaderBytes, size);
    if (LittleEndian(rest.substr(4, 4)) != Crc(record)) break;
    on_record(record);
    rest.remove_prefix(kRecordHeaderBytes + size);
  }
  bytes_ = bytes.size() - rest.size();
  // What was cut off must not stand between this and what is appended.
  if (ftruncate(fd, static_cast<off_t>(bytes_)) != 0 ||
      lseek(fd, static_cast<off_t>(bytes_), SEEK_SET) < 0) {
    const int error = errno;
    Close();
    return ErrorOf("cut off the damaged end", path_, error);
  }
  return absl::OkStatus();
}

absl::Status StateLog::Begin(uint64_t generation) {
  Close();
  const int fd =
      open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return ErrorOf("make", path_, errno);
  const std::string header = Header(generation);
  if (!WriteAll(fd, header) || fdatasync(fd) != 0) {
    const int error = errno;
    close(fd);
    return ErrorOf("write", path_, error);
  }
  fd_ = fd;
  bytes_ = header.size();
  return absl::OkStatus();
}

absl::Status StateLog::Append(const std::vector<std::string>& records) {
  if (fd_ < 0) return absl::FailedPreconditionError(absl::StrCat(path_, ": is not open"));
  std::string bytes;
  for (const std::string& record : records) {
    AppendLittleEndian(record.size(), 4, bytes);
    AppendLittleEndian(Crc(record), 4, bytes);
    bytes += record;
  }
  if (!WriteAll(fd_, bytes) || fdatasync(fd_) != 0) {
    const int error = errno;
    Close();
    return ErrorOf("write", path_, error);
  }
  bytes_ += bytes.size();
  return absl::OkStatus();
}

}  // namespace skimwatch::script
