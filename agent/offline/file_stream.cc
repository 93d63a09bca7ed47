#include "agent/offline/file_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace skimwatch::offline {
namespace {

// Short for a person who looks on, long beside what it costs to settle what was read.
constexpr absl::Duration kSilence = absl::Milliseconds(20);

}  // namespace

FileStream::FileStream(int fd, const Cancellation& cancellation, std::atomic<uint64_t>& total)
    : fd_(fd), cancellation_(cancellation), total_(total) {
  struct stat info {};
  waits_ = fstat(fd, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISBLK(info.st_mode));
  if (!waits_) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  // Where a read does not block it comes first: a pipe that nobody writes to has an end, and
  // poll(2) would wait for a writer.
  if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) waits_ = false;
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
      bytes_ += static_cast<uint64_t>(n);
      total_.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
      return static_cast<size_t>(n);
    }
    if (errno == EAGAIN) {
      if (!WaitForBytes()) break;
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, std::generic_category().message(errno));
    }
  }
  return absl::CancelledError("the scan was stopped");
}

}  // namespace skimwatch::offline
