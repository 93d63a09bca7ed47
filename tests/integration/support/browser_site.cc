#include "tests/integration/support/browser_site.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/integration/support/web_server.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

constexpr char kChromium[] = "/usr/bin/chromium";
constexpr char kDeploy[] = SKIMWATCH_SOURCE_DIR "/deploy/browser-reports/";

constexpr char kServers[] = R"(  log_format short '$host $request_method $uri';
  access_log access.log short;
  ssl_certificate site.pem;
  ssl_certificate_key site.key;
  server {
    listen 127.0.0.1:@PORT@ ssl;
    server_name shop.example;
    root html;
    include reports.conf;
    include more/shop*.conf;
    location / { include headers.conf; }
    location = /ran { return 204; }
  }
  server {
    listen 127.0.0.1:@PORT@ ssl;
    server_name vendor.example;
    root vendor;
    include more/vendor*.conf;
    add_header Access-Control-Allow-Origin * always;
    add_header Cache-Control no-store always;
  }
  server {
    listen 127.0.0.1:@PORT@ ssl;
    server_name evil.example;
    location / { add_header Access-Control-Allow-Origin * always; return 204; }
    location = /socket {
      proxy_pass http://127.0.0.1:@SOCKET_PORT@;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
  }
  include more/http*.conf;
)";

// Waits for a process that was told to end.
void End(pid_t& pid) {
  if (pid <= 0) return;
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  pid = 0;
}

}  // namespace

bool BrowserSite::HasChromium() { return access(kChromium, X_OK) == 0; }

BrowserSite::BrowserSite(std::string folder)
    : folder_(std::move(folder)), port_(FreePort()), socket_port_(FreePort()), nginx_(folder_) {
  for (const char* const name : {"/html", "/vendor", "/more"}) {
    std::filesystem::create_directories(folder_ + name);
  }
  const testing::Result made = testing::RunProgram(
      {.command = {"/bin/sh", "-c",
                   absl::StrCat("cd ", folder_,
                                " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                                "-nodes -keyout site.key -out site.pem -days 2 -subj /CN=shop "
                                "-addext subjectAltName=DNS:*.example,DNS:shop.example,"
                                "DNS:vendor.example,DNS:evil.example 2>/dev/null && "
                                "openssl x509 -in site.pem -pubkey -noout | "
                                "openssl pkey -pubin -outform der | "
                                "openssl dgst -sha256 -binary | openssl base64")},
       .environment = {"PATH=/usr/bin:/bin"}});
  EXPECT_EQ(made.code, 0) << made.err;
  key_digest_ = made.out;
  absl::StripAsciiWhitespace(&key_digest_);
}

void BrowserSite::Start(const std::string& socket, const std::string& headers) {
  std::ofstream(folder_ + "/reports.conf")
      << absl::StrReplaceAll(testing::ReadFile(absl::StrCat(kDeploy, "nginx.conf")),
                             {{"/run/skimwatch/reports.sock", socket}});
  std::ofstream(folder_ + "/headers.conf")
      << (headers.empty() ? testing::ReadFile(absl::StrCat(kDeploy, "headers.conf")) : headers);
  const std::string servers = absl::StrReplaceAll(
      kServers, {{"@PORT@", absl::StrCat(port_)}, {"@SOCKET_PORT@", absl::StrCat(socket_port_)}});
  // It answers what is no TLS in the clear, too.
  ASSERT_TRUE(nginx_.Start(servers, [&] { return !testing::HttpGet(port_, "/").empty(); }))
      << nginx_.Log();
}

void BrowserSite::Configure(const std::string& where, const std::string& lines) const {
  std::ofstream(absl::StrCat(folder_, "/more/", where, ".conf")) << lines;
}

void BrowserSite::WriteShop(const std::string& name, const std::string& content) const {
  std::ofstream(absl::StrCat(folder_, "/html/", name)) << content;
}

void BrowserSite::WriteVendor(const std::string& name, const std::string& content) const {
  std::ofstream(absl::StrCat(folder_, "/vendor/", name)) << content;
}

std::string BrowserSite::Origin(const std::string& host) const {
  return absl::StrCat("https://", host, ":", port_);
}

std::vector<std::string> BrowserSite::BrowserArguments() const {
  return {absl::StrCat("--ignore-certificate-errors-spki-list=", key_digest_),
          "--host-resolver-rules=MAP * 127.0.0.1"};
}

std::string BrowserSite::Requests() const { return testing::ReadFile(folder_ + "/access.log"); }

Shopper::Shopper(const BrowserSite& site, const std::string& url) {
  profile_ = absl::StrCat(site.folder_, "/profile.XXXXXX");
  EXPECT_NE(mkdtemp(profile_.data()), nullptr);
  const std::vector<std::string> command = {
      kChromium,
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--remote-debugging-port=0",
      absl::StrCat("--user-data-dir=", profile_),
      absl::StrCat("--ignore-certificate-errors-spki-list=", site.key_digest_),
      "--host-resolver-rules=MAP * 127.0.0.1",
      // Reports are else held back for a minute.
      "--short-reporting-delay",
      url,
  };
  pid_ = fork();
  if (pid_ != 0) return;
  // Its many processes go with it.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int fd = open((profile_ + "/log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execv(kChromium, arguments.data());
  _exit(127);
}

Shopper::~Shopper() {
  End(pid_);
  std::error_code ignored;
  std::filesystem::remove_all(profile_, ignored);
}

}  // namespace skimwatch::integration
