#include "tests/integration/support/squid.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/integration/support/web_server.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

constexpr char kProgram[] = "/usr/sbin/squid";

// The body is never kept, and nothing outside of the folder is written.
constexpr char kConfiguration[] = R"(http_port 127.0.0.1:@PORT@
visible_hostname proxy.example
icap_enable on
icap_preview_enable on
icap_preview_size 1024
icap_send_client_ip on
icap_service requests reqmod_precache icap://127.0.0.1:@ICAP@/reqmod bypass=off
icap_service responses respmod_precache icap://127.0.0.1:@ICAP@/respmod bypass=off
adaptation_access requests allow all
adaptation_access responses allow all
http_access allow all
cache deny all
cache_mem 8 MB
memory_cache_shared off
pinger_enable off
shutdown_lifetime 0 seconds
pid_filename @FOLDER@/squid.pid
access_log none
cache_log @FOLDER@/cache.log
coredump_dir @FOLDER@
)";

}  // namespace

Squid::Squid() {
  // Started by root, it gives up its rights.
  if (const passwd* proxy = getpwnam("proxy"); geteuid() == 0 && proxy != nullptr) {
    EXPECT_EQ(chown(folder_.path().c_str(), proxy->pw_uid, proxy->pw_gid), 0);
  }
}

Squid::~Squid() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Squid::IsInstalled() { return access(kProgram, X_OK) == 0; }

void Squid::Start(int icap_port) {
  port_ = FreePort();
  const std::string file = folder_.path() + "/squid.conf";
  std::ofstream(file) << absl::StrReplaceAll(kConfiguration, {{"@PORT@", absl::StrCat(port_)},
                                                              {"@ICAP@", absl::StrCat(icap_port)},
                                                              {"@FOLDER@", folder_.path()}});
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd =
        open((folder_.path() + "/squid.log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execl(kProgram, "squid", "-N", "-f", file.c_str(), nullptr);
    _exit(127);
  }
  const bool answers = testing::WaitUntil([&] { return !testing::HttpGet(port_, "/").empty(); });
  ASSERT_TRUE(answers) << testing::ReadFile(folder_.path() + "/squid.log")
                       << testing::ReadFile(folder_.path() + "/cache.log");
}

}  // namespace skimwatch::integration
