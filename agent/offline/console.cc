#include "agent/offline/console.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace skimwatch::offline {
namespace {

constexpr size_t kBlockBytes = size_t{64} << 10;
// Back to the first column, and clear to the end of the line (ECMA-48).
constexpr std::string_view kClearLine = "\r\x1b[K";

bool IsRegularFile(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Console::Console(int out_fd, int err_fd, Cancellation& cancellation)
    : out_fd_(out_fd),
      err_fd_(err_fd),
      out_is_watched_(!IsRegularFile(out_fd)),
      cancellation_(cancellation) {}

void Console::Out(std::string_view lines) {
  absl::MutexLock lock(&mutex_);
  if (reader_gone_ || !status_.ok()) return;
  waiting_.append(lines);
  if (!out_is_watched_ && waiting_.size() < kBlockBytes) return;
  HideProgress();
  WriteWaiting();
}

void Console::WriteWaiting() {
  std::string_view left = waiting_;
  while (!left.empty()) {
    // A line of up to PIPE_BUF bytes that may be written goes in whole, pipe(7), so that stopping
    // leaves no part of one.
    if (out_is_watched_ &&
        cancellation_.WaitFor(out_fd_, POLLOUT) == Cancellation::Wait::kCancelled) {
      break;
    }
    const ssize_t n = write(out_fd_, left.data(), left.size());
    if (n >= 0) {
      left.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EPIPE) {
      reader_gone_ = true;
      cancellation_.Cancel();
      break;
    } else if (errno != EINTR && errno != EAGAIN) {
      status_ = absl::ErrnoToStatus(errno, "writing standard output");
      cancellation_.Cancel();
      break;
    }
  }
  waiting_.clear();
}

void Console::WriteErr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(err_fd_, text.data(), text.size());
    if (n < 0 && errno != EINTR) return;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

void Console::HideProgress() {
  if (progress_shown_) WriteErr(kClearLine);
  progress_shown_ = false;
}

void Console::Err(std::string_view line) {
  absl::MutexLock lock(&mutex_);
  HideProgress();
  WriteErr(absl::StrCat(std::string(line), "\n"));
}

void Console::ShowProgress(std::string_view line) {
  if (!mutex_.TryLock()) return;
  WriteErr(absl::StrCat(std::string(kClearLine), std::string(line)));
  progress_shown_ = true;
  mutex_.Unlock();
}

absl::Status Console::Flush() {
  absl::MutexLock lock(&mutex_);
  HideProgress();
  if (!reader_gone_ && status_.ok()) WriteWaiting();
  return status_;
}

}  // namespace skimwatch::offline
