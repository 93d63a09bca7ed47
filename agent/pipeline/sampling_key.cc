#include "agent/pipeline/sampling_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace skimwatch::pipeline {
namespace {

absl::Status Failed(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("can't ", what, " ", path));
}

absl::Status Save(const std::string& path, const traffic::SipKey& key) {
  const std::string beside = absl::StrCat(path, ".new");
  {
    const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return Failed(beside, "make");
    const auto close_file = absl::MakeCleanup([fd] { close(fd); });
    if (write(fd, key.data(), sizeof(key)) != static_cast<ssize_t>(sizeof(key)) || fsync(fd) != 0) {
      return Failed(beside, "write");
    }
  }
  if (rename(beside.c_str(), path.c_str()) != 0) return Failed(path, "replace");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<traffic::SipKey> LoadSamplingKey(const std::string& state_directory) {
  const std::string path = absl::StrCat(state_directory, "/sampling-key");
  traffic::SipKey key{};
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const auto close_file = absl::MakeCleanup([fd] { close(fd); });
    char bytes[sizeof(key) + 1];
    const ssize_t got = read(fd, bytes, sizeof(bytes));
    if (got < 0) return Failed(path, "read");
    if (got == static_cast<ssize_t>(sizeof(key))) {
      std::memcpy(key.data(), bytes, sizeof(key));
      return key;
    }
    spdlog::warn("{} has not {} bytes; a new key chooses other flows from here on", path,
                 sizeof(key));
  } else if (errno != ENOENT) {
    return Failed(path, "open");
  }
  if (getrandom(key.data(), sizeof(key), 0) != static_cast<ssize_t>(sizeof(key))) {
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  if (absl::Status s = Save(path, key); !s.ok()) return s;
  return key;
}

}  // namespace skimwatch::pipeline
