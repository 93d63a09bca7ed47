#include "tests/support/nginx.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/daemon.h"

namespace skimwatch::testing {
namespace {

// A body of any size is read and thrown away. The worker of one that root starts reads the test's
// folder, which is root's.
constexpr std::string_view kCommon = R"(daemon off;
pid nginx.pid;
error_log error.log warn;
worker_processes 1;
user root;
events { worker_connections 256; }
http {
  client_body_temp_path tmp/body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;
  client_max_body_size 0;
  keepalive_requests 100000;
  types { text/html html; application/javascript js; }
)";

}  // namespace

std::string Where(std::string_view program) {
  for (const std::string_view folder : {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"}) {
    std::string path = std::string(folder).append(program);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

Nginx::Nginx(std::string folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_ + "/tmp");
}

Nginx::~Nginx() { Stop(); }

bool Nginx::Start(std::string_view servers, absl::FunctionRef<bool()> answers) {
  Stop();
  std::ofstream(folder_ + "/nginx.conf") << kCommon << servers << "}\n";
  process_ = std::make_unique<ChildProcess>(ChildProcess::Options{
      // Of a test that crashes, too, nothing is left: told to end, nginx ends its worker.
      .command = {Where("setpriv"), "--pdeathsig", "TERM", Where("nginx"), "-e", "error.log", "-p",
                  folder_ + "/", "-c", "nginx.conf"}});
  bool ended = false;
  const bool up = WaitUntil([&] {
    siginfo_t info = {};
    // Left for Wait() to collect.
    ended = waitid(P_PID, static_cast<id_t>(process_->pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
                0 &&
            info.si_pid != 0;
    return ended || answers();
  });
  return up && !ended;
}

void Nginx::Stop() {
  if (process_ == nullptr) return;
  process_->Signal(SIGTERM);
  process_->Wait();
  process_.reset();
}

std::string Nginx::Log() const { return ReadFile(folder_ + "/error.log"); }

}  // namespace skimwatch::testing
