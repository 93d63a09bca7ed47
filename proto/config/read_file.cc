#include "proto/config/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "proto/config/yaml_reader.h"

namespace skimwatch::config {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const auto error = [&](const char* what) {
    return absl::ErrnoToStatus(errno, absl::StrCat("configuration file ", path, ": ", what));
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return error("cannot open it");
  struct stat status {};
  if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("configuration file ", path, ": found a folder, expected a file"));
  }
  std::string text(kYamlBytesMax + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const absl::Status failure = error("cannot read it");
      close(fd);
      return failure;
    }
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  close(fd);
  text.resize(size);
  return text;
}

}  // namespace skimwatch::config
