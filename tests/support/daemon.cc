#include "tests/support/daemon.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace skimwatch::testing {

bool WaitUntil(const std::function<bool()>& done, absl::Duration patience) {
  // The host's clock may be stepped by a test; a count of looks is not.
  constexpr absl::Duration kLook = absl::Milliseconds(10);
  for (absl::Duration waited; waited < patience; waited += kLook) {
    if (done()) return true;
    absl::SleepFor(kLook);
  }
  return done();
}

std::string ReadFile(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string response;
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n");
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size())) {
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(fd, buffer.data(), buffer.size())) > 0;) {
      response.append(buffer.data(), static_cast<size_t>(n));
    }
  }
  close(fd);
  return response;
}

Daemon::Daemon(Options options) : options_(std::move(options)) {}

Daemon::~Daemon() {
  if (pid_ > 0) Stop(SIGKILL);
}

std::string Daemon::File(const std::string& suffix) const {
  return options_.folder + "/" + options_.program + suffix;
}

void Daemon::Start(const std::string& config_yaml) {
  ASSERT_EQ(pid_, 0) << options_.program << " runs already";
  const std::string program = std::string(SKIMWATCH_BIN_DIR) + "/" + options_.program;
  const std::string config = File(".yaml");
  const std::string ports = File(".ports");
  const std::string log = File(".log");
  std::ofstream(config) << config_yaml;
  unlink(ports.c_str());
  ports_.clear();
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    for (const std::string& setting : options_.environment) {
      // Never freed: the environment holds it.
      putenv(const_cast<char*>((new std::string(setting))->c_str()));
    }
    execl(program.c_str(), program.c_str(), "--config", config.c_str(), "--port-file",
          ports.c_str(), nullptr);
    _exit(127);
  }
  const bool started = WaitUntil([&] { return access(ports.c_str(), R_OK) == 0 || !IsRunning(); },
                                 absl::Seconds(30));
  std::ifstream file(ports);
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    int port = 0;
    if (equals != std::string::npos && absl::SimpleAtoi(line.substr(equals + 1), &port)) {
      ports_[line.substr(0, equals)] = port;
    }
  }
  ASSERT_TRUE(started && !ports_.empty()) << options_.program << " did not start: " << Log();
}

bool Daemon::IsRunning() const {
  siginfo_t info = {};
  // Looks without taking the status away from Stop.
  return pid_ > 0 &&
         waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

int Daemon::Stop(int signal) {
  int status = 0;
  if (pid_ <= 0) return status;
  kill(pid_, signal);
  waitpid(pid_, &status, 0);
  pid_ = 0;
  return status;
}

int Daemon::port(const std::string& name) const {
  const auto it = ports_.find(name);
  return it == ports_.end() ? 0 : it->second;
}

std::string Daemon::Log() const { return ReadFile(File(".log")); }

}  // namespace skimwatch::testing
