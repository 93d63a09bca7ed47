#include "agent/traffic/source/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kFingerprintBytesMax = 1024;
// A buffer of a long line is given back.
constexpr size_t kPendingKeptBytes = 64 << 10;

// gzip, bzip2 (with its block size), xz, zstd, as log rotation makes them.
bool IsCompressed(std::string_view begin) {
  using std::string_view_literals::operator""sv;
  return begin.starts_with("\x1f\x8b"sv) ||
         (begin.starts_with("BZh"sv) && begin.size() > 9 &&
          begin.substr(4).starts_with("1AY&SY"sv)) ||
         begin.starts_with(
             "\xfd"
             "7zXZ\0"sv) ||
         begin.starts_with("\x28\xb5\x2f\xfd"sv);
}

// FNV-1a.
uint64_t Hash(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  return hash;
}

uint32_t ShortHash(uint64_t hash) {
  return static_cast<uint32_t>((hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) & 0xffff);
}

// The number of bytes read, fewer at the end of the file; -1 for an error.
ssize_t ReadAt(int fd, char* buffer, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, buffer + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path, Shared& shared) {
  struct stat info {};
  // Opening a device may do something.
  if (stat(path.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::NotFoundError(absl::StrCat(path, ": is no file"));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": can't open"));
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::NotFoundError(absl::StrCat(path, ": is no file"));
  }
  return std::unique_ptr<LogFile>(new LogFile(fd, {info.st_dev, info.st_ino}, path, shared));
}

LogFile::LogFile(int fd, FileKey key, std::string path, Shared& shared)
    : fd_(fd), key_(key), name_(std::move(path)), shared_(shared) {
  provenance_.source = SourceKind::kLogFile;
  provenance_.direction = Direction::kAtRest;
  provenance_.site = shared_.site;
  provenance_.file = name_;
}

LogFile::~LogFile() {
  if (part_ != nullptr) part_->End();
  SetPending(0);
  close(fd_);
}

uint64_t LogFile::Size() const {
  struct stat info {};
  return fstat(fd_, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

bool LogFile::deleted() const {
  struct stat info {};
  return fstat(fd_, &info) == 0 && info.st_nlink == 0;
}

bool LogFile::Resume(const v1::LogPosition& position) {
  std::array<char, kFingerprintBytesMax> begin{};
  const size_t want = position.fingerprint_bytes();
  if (want > begin.size() || Size() < position.offset()) return false;
  const ssize_t got = ReadAt(fd_, begin.data(), want, 0);
  if (got != static_cast<ssize_t>(want)) return false;
  const uint64_t hash = Hash({begin.data(), want});
  if (want > 0 && ShortHash(hash) != position.fingerprint()) return false;
  fingerprint_bytes_ = position.fingerprint_bytes();
  fingerprint_ = hash;
  offset_ = position.offset();
  line_begin_ = offset_;
  return true;
}

void LogFile::set_name(const std::string& name) {
  name_ = name;
  provenance_.file = name;
}

void LogFile::SkipToEnd() {
  offset_ = Size();
  line_begin_ = offset_;
  // An error shows at the next read.
  (void)CheckFingerprint();
}

absl::StatusOr<bool> LogFile::CheckFingerprint() {
  std::array<char, kFingerprintBytesMax> begin{};
  // A resumed file may have been known further than its lines were passed.
  const size_t want = std::max<size_t>(
      fingerprint_bytes_, static_cast<size_t>(std::min<uint64_t>(begin.size(), offset_)));
  if (want == 0) return true;
  const ssize_t got = ReadAt(fd_, begin.data(), want, 0);
  if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat(name_, ": can't read"));
  if (got < static_cast<ssize_t>(want)) return false;
  if (fingerprint_bytes_ > 0 && Hash({begin.data(), fingerprint_bytes_}) != fingerprint_) {
    return false;
  }
  if (want > fingerprint_bytes_) {
    fingerprint_ = Hash({begin.data(), want});
    fingerprint_bytes_ = static_cast<uint32_t>(want);
  }
  return true;
}

absl::StatusOr<LogFile::Outcome> LogFile::Read(absl::Time now, size_t bytes_max) {
  size_t taken = 0;
  while (taken < bytes_max) {
    std::vector<char>& buffer = shared_.buffer;
    const ssize_t got = ReadAt(fd_, buffer.data(), buffer.size(), offset_);
    if (got < 0) return absl::ErrnoToStatus(errno, absl::StrCat(name_, ": can't read"));
    // After the read: had the file been truncated before or during it, this tells, and the bytes
    // are not taken for the continuation of what was there.
    absl::StatusOr<bool> same = CheckFingerprint();
    if (!same.ok()) return same.status();
    if (!*same || Size() < offset_) {
      ++shared_.truncations;
      StartAnew(now);
      continue;
    }
    if (got == 0) {
      if (pending_.empty() && part_ == nullptr) {
        partial_since_ = absl::InfiniteFuture();
      } else if (partial_since_ == absl::InfiniteFuture()) {
        partial_since_ = now;
      } else if (now - partial_since_ >= shared_.partial_line_wait) {
        Finish(now);
      }
      return Outcome::kEnd;
    }
    const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
    if (offset_ == pending_.size() && part_ == nullptr) {
      const bool compressed =
          pending_.empty() ? IsCompressed(bytes)
                           : IsCompressed(absl::StrCat(pending_, std::string(bytes.substr(0, 16))));
      if (compressed) return Outcome::kCompressed;
    }
    grown_at_ = now;
    // Of a line that is passed as it comes, nothing waits.
    if (part_ != nullptr) partial_since_ = absl::InfiniteFuture();
    Take(now, bytes);
    explicit_bzero(buffer.data(), bytes.size());
    taken += bytes.size();
  }
  return Outcome::kMore;
}

void LogFile::StartAnew(absl::Time now) {
  Finish(now);
  offset_ = 0;
  line_begin_ = 0;
  fingerprint_bytes_ = 0;
  fingerprint_ = 0;
}

void LogFile::Take(absl::Time now, std::string_view bytes) {
  while (true) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    offset_ += end + 1;
    EndLine(now, bytes.substr(0, end), 1);
    bytes.remove_prefix(end + 1);
  }
  if (bytes.empty()) return;
  offset_ += bytes.size();
  pending_ += bytes;
  shared_.pending_bytes += bytes.size();
  if (part_ != nullptr || pending_.size() > shared_.line_bytes_max ||
      shared_.pending_bytes > shared_.pending_bytes_max) {
    PassPending(now);
  }
}

void LogFile::EndLine(absl::Time now, std::string_view rest, size_t terminator_bytes) {
  if (!pending_.empty()) {
    pending_ += rest;
    shared_.pending_bytes += rest.size();
    rest = pending_;
  }
  if (terminator_bytes > 0 && rest.ends_with('\r')) {
    rest.remove_suffix(1);
    ++terminator_bytes;
  }
  PassLine(now, rest, terminator_bytes);
  SetPending(0);
  line_begin_ = offset_;
  partial_since_ = absl::InfiniteFuture();
}

void LogFile::PassLine(absl::Time now, std::string_view line, size_t terminator_bytes) {
  PassPieces(now, line);
  if (part_ != nullptr) part_->End();
  part_ = nullptr;
  ++shared_.lines;
  Count(terminator_bytes);
}

void LogFile::PassPieces(absl::Time now, std::string_view bytes) {
  if (bytes.empty()) return;
  if (part_ == nullptr) {
    provenance_.seen_at = now;
    part_ = shared_.sink.BeginPart(provenance_, Part::kLine);
  }
  Count(bytes.size());
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, shared_.line_bytes_max);
    part_->Data(piece);
    bytes.remove_prefix(piece.size());
  }
}

void LogFile::PassPending(absl::Time now) {
  // It may be the first half of a line's end.
  const size_t held = pending_.ends_with('\r') ? 1 : 0;
  PassPieces(now, std::string_view(pending_).substr(0, pending_.size() - held));
  SetPending(held);
}

void LogFile::Finish(absl::Time now) {
  if (pending_.empty() && part_ == nullptr) return;
  EndLine(now, std::string_view(), 0);
}

void LogFile::Count(uint64_t bytes) {
  shared_.bytes += bytes;
  shared_.coverage.Add(Reason::kScanned, bytes);
}

void LogFile::SetPending(size_t size) {
  shared_.pending_bytes -= pending_.size() - size;
  const size_t passed = pending_.size() - size;
  std::copy(pending_.begin() + static_cast<ptrdiff_t>(passed), pending_.end(), pending_.begin());
  memory::WipeFrom(pending_, size);
  if (pending_.capacity() > kPendingKeptBytes) std::string(pending_).swap(pending_);
}

v1::LogPosition LogFile::Position() const {
  v1::LogPosition position;
  position.set_path(name_);
  position.set_device(key_.device);
  position.set_inode(key_.inode);
  uint64_t passed = line_begin_;
  if (part_ != nullptr) {
    // A line without end is not begun again from its start, but from where a number that lies over
    // the restart is still seen whole.
    const uint64_t given = offset_ - pending_.size();
    passed = std::max(passed, given - std::min<uint64_t>(given, shared_.line_bytes_max));
  }
  position.set_offset(passed);
  position.set_fingerprint_bytes(fingerprint_bytes_);
  position.set_fingerprint(ShortHash(fingerprint_));
  return position;
}

}  // namespace skimwatch::traffic
