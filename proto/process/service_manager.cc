#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "proto/process/process.h"
#include "spdlog/spdlog.h"

namespace skimwatch::process {

void NotifyServiceManager(std::string_view state) {
  const char* const variable = std::getenv("NOTIFY_SOCKET");
  if (variable == nullptr || *variable == '\0') return;
  const std::string_view path = variable;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((path[0] != '/' && path[0] != '@') || path.size() >= sizeof(address.sun_path)) {
    spdlog::warn(
        "cannot notify the service manager: NOTIFY_SOCKET is {}, expected a path or an "
        "abstract socket",
        variable);
    return;
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  // `@` stands for the zero byte that an abstract name begins with.
  if (path[0] == '@') address.sun_path[0] = '\0';

  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (fd < 0 || sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                       reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    const int error = errno;
    spdlog::warn("cannot notify the service manager at {}: {}", variable,
                 std::generic_category().message(error));
  }
  if (fd >= 0) close(fd);
}

}  // namespace skimwatch::process
