#include "tests/integration/support/journald.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

constexpr char kProgram[] = "/lib/systemd/systemd-journald";
constexpr char kSocket[] = "/run/systemd/journal/socket";

// Journald is the child itself, since `exec` keeps the process. The folder is the first argument.
constexpr char kScript[] = R"(
mount -t tmpfs tmpfs /run || exit 1
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
mount --bind "$1" /run/log/journal || exit 1
cat > /run/systemd/journald.conf.d/test.conf <<'END'
[Journal]
Storage=volatile
ReadKMsg=no
Audit=no
RateLimitBurst=0
RuntimeMaxUse=64M
END
exec /lib/systemd/systemd-journald
)";

}  // namespace

void Journald::Start(const std::string& directory) {
  directory_ = directory;
  if (geteuid() != 0 || access(kProgram, X_OK) != 0) return;
  process_ = std::make_unique<testing::ChildProcess>(testing::ChildProcess::Options{
      .command = {"/usr/bin/unshare", "--mount", "/bin/sh", "-c", kScript, "sh", directory}});
  // Not that of the machine, from before the mount.
  ASSERT_TRUE(testing::WaitUntil([this] {
    return access(absl::StrCat(Root(), "/run/systemd/journald.conf.d/test.conf").c_str(), R_OK) ==
               0 &&
           access(absl::StrCat(Root(), kSocket).c_str(), W_OK) == 0;
  }));
  Send("MESSAGE=the test begins\n");
  ASSERT_TRUE(testing::WaitUntil([this] { return !std::filesystem::is_empty(directory_); }));
}

std::string Journald::Root() const { return absl::StrCat("/proc/", process_->pid(), "/root"); }

void Journald::Send(std::string_view fields) const {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = absl::StrCat(Root(), kSocket);
  memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(sendto(fd, fields.data(), fields.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)),
            static_cast<ssize_t>(fields.size()))
      << strerror(errno);
  close(fd);
}

void Journald::Rotate() const { process_->Signal(SIGUSR2); }

}  // namespace skimwatch::integration
