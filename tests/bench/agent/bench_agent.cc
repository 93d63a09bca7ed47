// What a whole agent costs its host, and whether it keeps up: the real skimwatch-agent captures
// loopback while a client of this program posts web-like bodies to a server of this program, with a
// card number in every hundredth, and reports to a real skimwatch-collector that makes every
// finding durable. All of it shares the machine's processors. Needs CAP_NET_RAW.
//
//   bench_agent [--benchmark_filter=...]
//
// Rows: MiB a second that are offered, 0 for as much as goes. Counters: the agent's resident memory
// and its peak, its CPU time for a GiB of traffic, packets that the kernel dropped for want of room
// in the ring, cards planted and
// distinct cards that the collector holds, and seconds from the last request to the last card in
// the store.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/card/luhn.h"
#include "benchmark/benchmark.h"
#include "tests/collector/support/collector_process.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBodyBytes = size_t{16} << 10;
constexpr size_t kTrafficBytes = size_t{256} << 20;
constexpr uint64_t kRequestsPerCard = 100;
constexpr std::chrono::seconds kPatience{30};

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

int LoopbackSocket(sockaddr_in& address) {
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

// Takes one connection and answers each request of `request_bytes` with an empty response.
class Sink {
 public:
  explicit Sink(size_t request_bytes) : request_bytes_(request_bytes) {
    sockaddr_in address;
    listener_ = LoopbackSocket(address);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 1) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      return;
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Sink() {
    shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(listener_);
  }
  int port() const { return port_; }

 private:
  void Serve() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    std::vector<char> buffer(size_t{1} << 18);
    size_t held = 0;
    while (true) {
      const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      held += static_cast<size_t>(count);
      for (; held >= request_bytes_; held -= request_bytes_) {
        if (!SendAll(fd, "HTTP/1.1 204 No Content\r\n\r\n")) break;
      }
    }
    close(fd);
  }

  const size_t request_bytes_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

// The n-th number of a range that nobody issues cards of here, with a valid check digit.
std::string NumberOf(uint64_t n) {
  std::vector<uint8_t> digits = {4, 0, 0, 0, 0, 1};
  for (uint64_t divisor = 100'000'000; divisor > 0; divisor /= 10) {
    digits.push_back(static_cast<uint8_t>(n / divisor % 10));
  }
  digits.push_back(card::LuhnCheckDigit(digits));
  std::string text;
  for (const uint8_t digit : digits) text += static_cast<char>('0' + digit);
  return text;
}

// Events as a shop's pages send them: ids, times, prices, words.
std::string BodyOf(std::mt19937_64& random, uint64_t card) {
  std::string body = "[";
  while (body.size() < kBodyBytes - 400) {
    absl::StrAppend(&body, R"({"event":"view","id":")", absl::Hex(random()), R"(","at":)",
                    1'700'000'000'000 + random() % 1'000'000'000, R"(,"price":)", random() % 10'000,
                    R"(,"path":"/product/)", random() % 100'000, R"(","agent":"Mozilla/5.0"},)");
  }
  if (card > 0) absl::StrAppend(&body, R"({"cardNumber":")", NumberOf(card), R"("},)");
  body.resize(kBodyBytes - 3, ' ');
  return body + "{}]";
}

std::string RequestOf(int port, const std::string& body) {
  return absl::StrCat("POST /collect HTTP/1.1\r\nHost: chat.example:", port,
                      "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
                      "\r\n\r\n", body);
}

double MetricOf(const std::string& text, std::string_view name, std::string_view label = "") {
  double sum = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::string_view series(line.data(), line.size());
    if (!series.starts_with(name) || series.find(label) == std::string_view::npos) continue;
    if (series.size() > name.size() && series[name.size()] != '{' && series[name.size()] != ' ') {
      continue;
    }
    double value = 0;
    if (absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum += value;
  }
  return sum;
}

// The agent's /metrics; empty while they can't be had.
std::string AgentMetrics(const std::string& port_file) {
  std::ifstream file(port_file);
  std::string line;
  int port = 0;
  if (!std::getline(file, line) || !absl::SimpleAtoi(line.substr(line.find('=') + 1), &port)) {
    return "";
  }
  sockaddr_in address;
  const int fd = LoopbackSocket(address);
  address.sin_port = htons(static_cast<uint16_t>(port));
  std::string text;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      SendAll(fd, "GET /metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")) {
    std::vector<char> buffer(size_t{1} << 16);
    for (ssize_t count; (count = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(count));
    }
  }
  close(fd);
  return text;
}

// A field of /proc/PID/status, in MiB.
double StatusMib(pid_t pid, const std::string& field) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

double CpuSeconds(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(text.rfind(')') + 2), ' ', absl::SkipEmpty());
  if (fields.size() < 13) return 0;
  return (std::stod(fields[11]) + std::stod(fields[12])) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Waits until `done`; the time that took, or the whole of kPatience.
template <typename Done>
double AwaitSeconds(Done done) {
  const Clock::time_point started = Clock::now();
  while (!done() && Clock::now() - started < kPatience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::chrono::duration<double>(Clock::now() - started).count();
}

void WholeAgent(benchmark::State& state) {
  const auto mib_per_second = static_cast<double>(state.range(0));
  const testing::TempFolder folder;
  testing::CollectorProcess collector(testing::TestConfig(folder.path()), folder.path());
  collector.Start();

  std::mt19937_64 random(7);
  const size_t request_bytes = RequestOf(10'000, BodyOf(random, 0)).size();
  const Sink sink(request_bytes);
  const std::string config_file = folder.File("agent.yaml");
  {
    std::ofstream file(config_file);
    file << "sites:\n  - name: shop\n    services: [\"127.0.0.1:1\"]\n"
         << "collector:\n  address: 127.0.0.1:" << collector.port()
         << "\n  tls:\n    plaintext: true\n"
         << "sources:\n  packet_captures:\n    - interface: lo\n      filter: tcp port "
         << sink.port() << "\nstate_directory: " << folder.File("agent")
         << "\nmetrics:\n  listen: 127.0.0.1:0\n";
  }
  testing::ChildProcess agent(
      {.command = {std::string(SKIMWATCH_BIN_DIR) + "/skimwatch-agent", "--config", config_file,
                   "--port-file", folder.File("ports")}});
  const auto connected = [&] {
    return MetricOf(collector.Get("/metrics"), "skimwatch_agents", "state=\"connected\"") > 0;
  };
  AwaitSeconds(connected);
  if (!connected()) return state.SkipWithError("the agent did not connect; is CAP_NET_RAW there?");
  state.counters["rss_idle_mib"] = StatusMib(agent.pid(), "VmRSS");

  sockaddr_in address;
  const int client = LoopbackSocket(address);
  address.sin_port = htons(static_cast<uint16_t>(sink.port()));
  if (connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return state.SkipWithError("can't connect to the sink");
  }
  // Made before the clock runs: the client's own work is not the agent's.
  std::vector<std::string> requests;
  for (int i = 0; i < 64; ++i) requests.push_back(RequestOf(sink.port(), BodyOf(random, 0)));
  char answers[4096];
  uint64_t planted = 0;
  double bytes = 0;
  double drain_seconds = 0;
  const double cpu_before = CpuSeconds(agent.pid());
  for (auto _ : state) {
    const Clock::time_point started = Clock::now();
    for (size_t sent = 0, number = 0; sent < kTrafficBytes; sent += request_bytes, ++number) {
      const bool has_card = number % kRequestsPerCard == 0;
      const std::string& request =
          has_card ? (requests[0] = RequestOf(sink.port(), BodyOf(random, ++planted)))
                   : requests[1 + number % (requests.size() - 1)];
      if (!SendAll(client, request)) return state.SkipWithError("the sink went away");
      while (recv(client, answers, sizeof(answers), MSG_DONTWAIT) > 0) {
      }
      if (mib_per_second > 0) {
        const std::chrono::duration<double> due(static_cast<double>(sent) / 1048576 /
                                                mib_per_second);
        std::this_thread::sleep_until(started + std::chrono::duration_cast<Clock::duration>(due));
      }
    }
    bytes += static_cast<double>(kTrafficBytes);
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - started).count());
  }
  double stored = 0;
  drain_seconds = AwaitSeconds([&] {
    stored = MetricOf(collector.Get("/metrics"), "skimwatch_exposure_distinct_cards",
                      "kind=\"card_number\"");
    return stored >= static_cast<double>(planted);
  });
  state.counters["cpu_s_per_gib"] =
      (CpuSeconds(agent.pid()) - cpu_before) / (bytes / static_cast<double>(1 << 30));
  state.counters["rss_mib"] = StatusMib(agent.pid(), "VmRSS");
  state.counters["rss_peak_mib"] = StatusMib(agent.pid(), "VmHWM");
  state.counters["kernel_drops"] =
      MetricOf(AgentMetrics(folder.File("ports")), "skimwatch_capture_kernel_drops_total");
  state.counters["cards_planted"] = static_cast<double>(planted);
  state.counters["cards_stored"] = stored;
  state.counters["drain_s"] = drain_seconds;
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  close(client);
  agent.Signal(SIGTERM);
  agent.Wait();
  collector.Stop(SIGTERM);
}

BENCHMARK(WholeAgent)
    ->ArgName("offered_mib_per_s")
    ->Arg(25)
    ->Arg(100)
    ->Arg(0)
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
