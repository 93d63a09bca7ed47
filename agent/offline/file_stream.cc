#include "agent/offline/file_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace skimwatch::offline {
namespace {

// Short for a person who looks on, long beside what it costs to settle what was read.
constexpr absl::Duration kSilence = absl::Milliseconds(20);

}  // namespace

void FileStream::Begin(int fd, bool seekable, uint64_t bytes) {
  End();
  fd_ = fd;
  seekable_ = seekable;
  size_ = bytes;
  if (seekable) {
    // More than one buffer: the kernel may read on while the first is scanned.
    if (bytes > kBufferBytes) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return;
  }
  struct stat info {};
  waits_ = fstat(fd, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISBLK(info.st_mode));
  // Where a read does not block it comes first: a pipe that nobody writes to has an end, and
  // poll(2) would wait for a writer.
  if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) waits_ = false;
}

void FileStream::End() {
  Reset();
  on_silence_ = nullptr;
  fd_ = -1;
  seekable_ = waits_ = ended_ = false;
  size_ = offset_ = bytes_ = 0;
}

bool FileStream::WaitForBytes() const {
  Cancellation::Wait wait = cancellation_.WaitFor(fd_, POLLIN, kSilence);
  if (wait == Cancellation::Wait::kTimeout) {
    if (on_silence_) on_silence_();
    wait = cancellation_.WaitFor(fd_, POLLIN);
  }
  return wait == Cancellation::Wait::kReady;
}

absl::StatusOr<size_t> FileStream::Fill(char* out, size_t size) {
  while (!cancellation_.cancelled() && (!waits_ || WaitForBytes())) {
    const ssize_t n = read(fd_, out, size);
    if (n >= 0) {
      const auto count = static_cast<size_t>(n);
      offset_ += count;
      bytes_ = std::max(bytes_, offset_);
      total_.fetch_add(count, std::memory_order_relaxed);
      // A read of a file that stops short of what was asked for has met its end; together with the
      // size that was seen before, it saves the question.
      ended_ = seekable_ && count < size && offset_ == size_;
      return count;
    }
    if (errno == EAGAIN) {
      if (!WaitForBytes()) break;
    } else if (errno != EINTR) {
      return absl::UnavailableError(std::generic_category().message(errno));
    }
  }
  return absl::CancelledError("the scan was stopped");
}

absl::Status FileStream::SeekTo(uint64_t offset) {
  if (!seekable_) return ByteStream::SeekTo(offset);
  if (lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0) {
    return absl::UnavailableError(std::generic_category().message(errno));
  }
  offset_ = offset;
  ended_ = false;
  return absl::OkStatus();
}

}  // namespace skimwatch::offline
