#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "agent/script/source/notifier.h"

namespace skimwatch::script {
namespace {

constexpr uint32_t kMask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
                           IN_DELETE | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK;

std::string Reason(int error) { return std::generic_category().message(error); }

absl::Status WatchError(const std::string& path, int error) {
  if (error == ENOSPC) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path,
                     ": can't be watched: the limit of inotify watches is reached; raise "
                     "fs.inotify.max_user_watches"));
  }
  const std::string text = absl::StrCat(path, ": can't be watched: ", Reason(error));
  if (error == ENOENT || error == ENOTDIR || error == ELOOP) return absl::NotFoundError(text);
  if (error == EACCES) return absl::PermissionDeniedError(text);
  return absl::InternalError(text);
}

Notification::Kind KindOf(uint32_t mask) {
  if ((mask & IN_Q_OVERFLOW) != 0) return Notification::Kind::kOverflow;
  if ((mask & IN_IGNORED) != 0) return Notification::Kind::kWatchEnded;
  if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) return Notification::Kind::kGone;
  if ((mask & IN_MODIFY) != 0) return Notification::Kind::kWriting;
  if ((mask & IN_CREATE) != 0) return Notification::Kind::kCreated;
  return Notification::Kind::kSettled;
}

class InotifyNotifier : public Notifier {
 public:
  InotifyNotifier(int inotify, int wake) : inotify_(inotify), wake_(wake) {}
  ~InotifyNotifier() override {
    close(inotify_);
    close(wake_);
  }

  absl::StatusOr<int> Watch(const std::string& path) override {
    const int watch = inotify_add_watch(inotify_, path.c_str(), kMask);
    if (watch < 0) return WatchError(path, errno);
    return watch;
  }

  void Unwatch(int watch) override { inotify_rm_watch(inotify_, watch); }

  absl::Status Read(absl::Duration timeout, std::vector<Notification>& notifications) override {
    std::array<pollfd, 2> polled = {pollfd{inotify_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    // Rounded up, so that a wait for the rest of a millisecond does not spin.
    const int64_t timeout_ms = std::clamp<int64_t>(
        absl::ToInt64Milliseconds(timeout + absl::Microseconds(999)), 0, 60'000);
    if (poll(polled.data(), polled.size(), static_cast<int>(timeout_ms)) < 0 && errno != EINTR) {
      return absl::InternalError(absl::StrCat("inotify: can't be polled: ", Reason(errno)));
    }
    uint64_t count = 0;
    if ((polled[1].revents & POLLIN) != 0 && ::read(wake_, &count, sizeof count) < 0) {
      // Somebody else's wake-up was read meanwhile; there is only one reader, so never.
    }
    if ((polled[0].revents & (POLLERR | POLLNVAL)) != 0) {
      return absl::InternalError("inotify: the descriptor is broken");
    }
    if ((polled[0].revents & POLLIN) == 0) return absl::OkStatus();
    alignas(inotify_event) std::array<char, 64 << 10> buffer;
    const ssize_t got = ::read(inotify_, buffer.data(), buffer.size());
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) return absl::OkStatus();
      return absl::InternalError(absl::StrCat("inotify: can't be read: ", Reason(errno)));
    }
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      notifications.push_back(
          {.kind = KindOf(event.mask),
           .watch = event.wd,
           .is_folder = (event.mask & IN_ISDIR) != 0,
           .name = event.len > 0 ? std::string(name, strnlen(name, event.len)) : std::string()});
    }
    return absl::OkStatus();
  }

  void Wake() override {
    const uint64_t one = 1;
    // A full counter wakes as well.
    [[maybe_unused]] const ssize_t put = ::write(wake_, &one, sizeof one);
  }

 private:
  const int inotify_;
  const int wake_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Notifier>> MakeInotifyNotifier() {
  const int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify < 0) {
    const std::string text = absl::StrCat("inotify: can't be opened: ", Reason(errno));
    if (errno != EMFILE) return absl::InternalError(text);
    return absl::ResourceExhaustedError(
        absl::StrCat(text, "; raise fs.inotify.max_user_instances or the limit of open files"));
  }
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    const int error = errno;
    close(inotify);
    return absl::InternalError(absl::StrCat("eventfd: can't be opened: ", Reason(error)));
  }
  return std::make_unique<InotifyNotifier>(inotify, wake);
}

}  // namespace skimwatch::script
