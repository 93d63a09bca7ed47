#include "tests/collector/support/collector_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "proto/config/effective.h"
#include "proto/config/yaml_config.h"

namespace skimwatch::testing {

config::v1::CollectorConfig TestConfig(const std::string& folder) {
  auto config =
      config::ParseCollectorConfig(absl::StrCat("listen: 127.0.0.1:0\n"
                                                "tls: { plaintext: true }\n"
                                                "store: { path: ",
                                                folder,
                                                "/store.db }\n"
                                                "fingerprint_keys: { files: [",
                                                folder,
                                                "/fingerprint.key] }\n"
                                                "metrics: { listen: 127.0.0.1:0 }\n"
                                                "roles: [{ identity: local, role: admin }]\n"
                                                // Over plaintext everybody is `local`.
                                                "agents: [local]\n"),
                                   "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : config::v1::CollectorConfig();
}

CollectorProcess::CollectorProcess(const config::v1::CollectorConfig& config, std::string folder)
    : config_(config), folder_(std::move(folder)) {}

CollectorProcess::~CollectorProcess() {
  if (pid_ > 0) Stop(SIGKILL);
}

void CollectorProcess::Start() {
  if (port_ != 0) config_.set_listen(absl::StrCat("127.0.0.1:", port_));
  const std::string config_file = folder_ + "/collector.yaml";
  const std::string port_file = folder_ + "/ports";
  std::ofstream(config_file) << config::ToYaml(config_);
  unlink(port_file.c_str());
  const std::string program = std::string(SKIMWATCH_BIN_DIR) + "/skimwatch-collector";
  const std::string log = folder_ + "/collector.log";
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    execl(program.c_str(), program.c_str(), "--config", config_file.c_str(), "--port-file",
          port_file.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 1000 && access(port_file.c_str(), R_OK) != 0; ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  std::ifstream ports(port_file);
  std::string line;
  while (std::getline(ports, line)) {
    if (std::sscanf(line.c_str(), "listen=%d", &port_) == 1) continue;
    std::sscanf(line.c_str(), "metrics=%d", &metrics_port_);
  }
  std::stringstream text;
  text << std::ifstream(log).rdbuf();
  ASSERT_NE(port_, 0) << "the collector did not start: " << text.str();
}

int CollectorProcess::Stop(int signal) {
  int status = 0;
  kill(pid_, signal);
  waitpid(pid_, &status, 0);
  pid_ = 0;
  return status;
}

std::string CollectorProcess::Get(const std::string& path) const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(metrics_port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string response;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n");
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) response.append(buffer, n);
  }
  close(fd);
  return response;
}

}  // namespace skimwatch::testing
