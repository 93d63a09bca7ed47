#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/process/process.h"

namespace skimwatch::process {
namespace {

// The service manager's end of NOTIFY_SOCKET, at a path or, with `@`, at an abstract name.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() {
    close(fd_);
    unsetenv("NOTIFY_SOCKET");
  }

  // The next datagram; empty when there is none.
  std::string Next() const {
    char buffer[512];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    return n < 0 ? "" : std::string(buffer, static_cast<size_t>(n));
  }

 private:
  const int fd_;
};

TEST(NotifyServiceManager, SendsOneDatagram) {
  const std::string path = ::testing::TempDir() + "notify." + std::to_string(getpid());
  for (const std::string& name : {path, "@skimwatch-test-" + std::to_string(getpid())}) {
    const Manager manager(name);
    NotifyServiceManager("READY=1\nSTATUS=listening");
    EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=listening");
    EXPECT_EQ(manager.Next(), "");
  }
  unlink(path.c_str());
}

TEST(NotifyServiceManager, DoesNothingWithoutOne) {
  unsetenv("NOTIFY_SOCKET");
  ::testing::internal::CaptureStdout();
  NotifyServiceManager("READY=1");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST(NotifyServiceManager, LogsWhenItCannot) {
  for (const char* const name : {"/no/such/socket", "vsock:2:1"}) {
    setenv("NOTIFY_SOCKET", name, 1);
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(SetUpLogging({}, "skimwatch-test").ok());
    NotifyServiceManager("READY=1");
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                ::testing::HasSubstr("cannot notify the service manager"));
  }
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace skimwatch::process
