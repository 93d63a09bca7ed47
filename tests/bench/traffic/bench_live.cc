// A whole agent at live traffic, with a real collector behind it: what it costs its host, whether
// it loses anything, and how soon the collector knows. A server of this program answers a client of
// this program, which is in a network namespace of its own, over a veth pair that the agent
// captures; bodies are real files (tests/data/gather-web-files.sh), compressed or not as sites have
// them. Client, server, agent and collector share the machine's processors; the agent's processor
// time alone is counted, of all of its threads, to the nanosecond, by the kernel.
//
//   bench_live [--quick] [--benchmark_filter=...]
//
// Needs root, ip and ethtool; without, all rows are skipped and say so. Rows:
//   Load/mbit/offload   responses at that rate, for 10 s. With offload the agent sees them as the
//                       server's kernel sends them, up to 64 KiB at a time; without, as packets of
//                       1,500 bytes.
//   Idle                no traffic, for 20 s
//   Delay/mbit          from a card number's write to the server's socket to the collector's
//                       skimwatch_findings_total, which is asked for every 2 ms, while other
//                       traffic of that rate passes
//   Flood               1,667 responses a second for a minute, each with another card number
// Counters: cpu_percent, of one core; rss_mib; lost_bytes, of those that the server sent and the
// agent neither scanned nor counted otherwise; kernel_drops, packets; scan_percent, the scanner's
// share of cpu_percent; p50_ms, p99_ms, max_ms; stored and missed, cards; folded, sightings that
// were counted in another's finding.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "benchmark/benchmark.h"
#include "tests/bench/traffic/web_capture.h"
#include "tests/collector/support/collector_process.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::traffic::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Set by --quick.
bool is_quick = false;

constexpr int kConnections = 8;
// RFC 2544 keeps these addresses for benchmarks.
constexpr char kServerAddress[] = "198.18.77.1";
constexpr char kClientAddress[] = "198.18.77.2";

bool Run(const std::string& command) {
  return skimwatch::testing::RunProgram({.command = {"/bin/sh", "-c", command},
                                         .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}})
             .code == 0;
}

// A veth pair whose far end is in a namespace of its own.
class Network {
 public:
  Network()
      : name_(absl::StrCat("swb", getpid() % 100'000)), space_(absl::StrCat("skimwatch-", name_)) {
    ok_ = Run(absl::StrCat("ip netns add ", space_)) &&
          Run(absl::StrCat("ip link add ", name_, " type veth peer name far netns ", space_)) &&
          Run(absl::StrCat("ip addr add ", kServerAddress, "/24 dev ", name_)) &&
          Run(absl::StrCat("ip -n ", space_, " addr add ", kClientAddress, "/24 dev far")) &&
          Run(absl::StrCat("ip link set ", name_, " up")) &&
          Run(absl::StrCat("ip -n ", space_, " link set far up"));
  }
  ~Network() {
    Run(absl::StrCat("ip link del ", name_));
    Run(absl::StrCat("ip netns del ", space_));
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  bool ok() const { return ok_; }
  const std::string& interface() const { return name_; }
  bool SetOffload(bool on) const {
    const char* const state = on ? "on" : "off";
    const std::string all = absl::StrCat(" tso ", state, " gso ", state, " gro ", state);
    return Run(absl::StrCat("ethtool -K ", name_, all)) &&
           Run(absl::StrCat("ip netns exec ", space_, " ethtool -K far", all));
  }
  // Takes the calling thread there.
  bool Enter() const {
    const int fd = open(absl::StrCat("/run/netns/", space_).c_str(), O_RDONLY | O_CLOEXEC);
    const bool entered = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
    if (fd >= 0) close(fd);
    return entered;
  }

 private:
  const std::string name_;
  const std::string space_;
  bool ok_ = false;
};

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// A server and its client, each connection with a thread at both ends. The server answers when the
// bench says so, as to a request of the client's that it has just got.
class Traffic {
 public:
  explicit Traffic(const Network& network) : network_(network) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, kServerAddress, &address.sin_addr);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        listen(listener_, 64) == 0 &&
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      port_ = ntohs(address.sin_port);
    }
  }
  ~Traffic() { close(listener_); }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  int port() const { return port_; }

  class Connection {
   public:
    Connection(const Network& network, int port, int listener) {
      std::thread([&] {
        if (!network.Enter()) return;
        client_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<uint16_t>(port));
        inet_pton(AF_INET, kServerAddress, &address.sin_addr);
        if (connect(client_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
          close(client_);
          client_ = -1;
        }
      }).join();
      if (client_ < 0) return;
      server_ = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      const int one = 1;
      setsockopt(server_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      // Takes what the server sends, without a look at it.
      reader_ = std::thread([this] {
        std::vector<char> buffer(size_t{256} << 10);
        while (recv(client_, buffer.data(), buffer.size(), 0) > 0) {
        }
      });
    }
    ~Connection() {
      if (server_ >= 0) shutdown(server_, SHUT_RDWR);
      if (client_ >= 0) shutdown(client_, SHUT_RDWR);
      if (reader_.joinable()) reader_.join();
      if (server_ >= 0) close(server_);
      if (client_ >= 0) close(client_);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool ok() const { return server_ >= 0; }
    // One request of the client and the server's response to it.
    bool Exchange(std::string_view response) {
      static constexpr std::string_view kRequest =
          "GET /page HTTP/1.1\r\nHost: www.shop.example\r\nUser-Agent: Mozilla/5.0\r\n"
          "Accept: */*\r\nCookie: session=0123456789abcdef\r\n\r\n";
      std::array<char, 512> buffer{};
      return SendAll(client_, kRequest) &&
             recv(server_, buffer.data(), kRequest.size(), MSG_WAITALL) > 0 &&
             SendAll(server_, response);
    }

   private:
    int client_ = -1;
    int server_ = -1;
    std::thread reader_;
  };

  // From one thread at a time: the next connection that is accepted is taken for this one.
  std::unique_ptr<Connection> Connect() const {
    return std::make_unique<Connection>(network_, port_, listener_);
  }

 private:
  const Network& network_;
  int listener_ = -1;
  int port_ = 0;
};

std::string ResponseOf(std::string_view type, std::string_view coding, std::string_view body) {
  std::string head =
      absl::StrCat("HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: ", std::string(type),
                   "\r\nContent-Length: ", body.size(), "\r\n");
  if (!coding.empty()) absl::StrAppend(&head, "Content-Encoding: ", std::string(coding), "\r\n");
  head += "\r\n";
  head += body;
  return head;
}

std::string CardResponse(uint64_t number) {
  return ResponseOf("application/json", "",
                    absl::StrCat(R"({"order":)", number, R"(,"name":"Jane Doe","cardNumber":")",
                                 PlantedNumber(number), R"(","expiry":"12/29"})"));
}

// Responses at an even rate for as long as it lives.
class Load {
 public:
  Load(const Traffic& traffic, double mbit, const std::vector<std::string>& responses) {
    for (int i = 0; i < kConnections; ++i) connections_.push_back(traffic.Connect());
    for (int i = 0; i < kConnections; ++i) {
      threads_.emplace_back([this, connection = connections_[static_cast<size_t>(i)].get(),
                             &responses, mbit, i] {
        if (!connection->ok()) return;
        std::mt19937 random(static_cast<uint32_t>(i));
        const double bytes_per_second = mbit * 1e6 / 8 / kConnections;
        const Clock::time_point started = Clock::now();
        uint64_t sent = 0;
        while (!stop_) {
          const std::string& response = responses[random() % responses.size()];
          if (!connection->Exchange(response)) return;
          sent += response.size();
          bytes_ += response.size();
          std::this_thread::sleep_until(
              started + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                            static_cast<double>(sent) / bytes_per_second)));
        }
      });
    }
  }
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> bytes_ = 0;
  std::vector<std::unique_ptr<Traffic::Connection>> connections_;
  std::vector<std::thread> threads_;
};

double SumOf(const std::string& page, std::string_view name, std::string_view label = "") {
  double sum = 0;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
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

// Nanoseconds on a processor, of all threads that live.
double CpuSeconds(pid_t pid) {
  double sum = 0;
  std::error_code error;
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), error)) {
    std::ifstream file(thread.path() / "schedstat");
    double nanoseconds = 0;
    if (file >> nanoseconds) sum += nanoseconds * 1e-9;
  }
  return sum;
}

double StatusMib(pid_t pid, const std::string& field) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  if (values.empty()) return 0;
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(values.size())))];
}

// A network, a collector, and an agent that captures.
class Site {
 public:
  Site()
      : collector_(skimwatch::testing::TestConfig(folder_.path()), folder_.path()),
        agent_({.program = "skimwatch-agent", .folder = folder_.path()}) {
    if (!network_.ok()) return;
    traffic_ = std::make_unique<Traffic>(network_);
    if (traffic_->port() == 0) return;
    collector_.Start();
    agent_.Start(absl::StrCat(
        "sites: [{ name: shop, services: [\"", kServerAddress, ":", traffic_->port(),
        "\"] }]\ncollector: { address: \"127.0.0.1:", collector_.port(),
        "\", tls: { plaintext: true } }\n"
        "metrics: { listen: \"127.0.0.1:0\" }\nstate_directory: ",
        folder_.File("state"), "\nsources: { packet_captures: [{ interface: ", network_.interface(),
        " }] }\n"));
    ok_ = skimwatch::testing::WaitUntil(
        [&] { return SumOf(CollectorPage(), "skimwatch_agents", "state=\"connected\"") > 0; });
  }
  ~Site() {
    agent_.Stop(SIGTERM);
    collector_.Stop(SIGTERM);
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  bool ok() const { return ok_; }
  const Network& network() const { return network_; }
  const Traffic& traffic() const { return *traffic_; }
  pid_t agent() const { return agent_.pid(); }
  std::string AgentPage() const {
    return skimwatch::testing::HttpGet(agent_.port("metrics"), "/metrics");
  }
  std::string CollectorPage() const { return collector_.Get("/metrics"); }
  double Findings() const { return SumOf(CollectorPage(), "skimwatch_findings_total"); }

 private:
  skimwatch::testing::TempFolder folder_;
  Network network_;
  skimwatch::testing::CollectorProcess collector_;
  skimwatch::testing::Daemon agent_;
  std::unique_ptr<Traffic> traffic_;
  bool ok_ = false;
};

constexpr char kNoSite[] = "no veth pair, agent or collector: needs root and ip (iproute2)";

const std::vector<std::string>& Responses() {
  static const auto* const responses = [] {
    auto* made = new std::vector<std::string>;
    for (const WebBody& body : LoadBodies(SKIMWATCH_CORPUS, Codings::kMixed, size_t{16} << 20, 7)) {
      made->push_back(ResponseOf(body.content_type, body.coding, body.bytes));
    }
    return made;
  }();
  return *responses;
}

constexpr char kNoFiles[] = "no files to answer with: run tests/data/gather-web-files.sh";

void RunLoad(benchmark::State& state) {
  if (Responses().empty()) return state.SkipWithError(kNoFiles);
  const Site site;
  if (!site.ok()) return state.SkipWithError(kNoSite);
  if (!site.network().SetOffload(state.range(1) != 0)) {
    return state.SkipWithError("ethtool can't set offloads of a veth pair");
  }
  for (auto _ : state) {
    Load load(site.traffic(), static_cast<double>(state.range(0)), Responses());
    std::this_thread::sleep_for(seconds(1));
    const uint64_t bytes_before = load.bytes();
    const double cpu_before = CpuSeconds(site.agent());
    const std::string page_before = site.AgentPage();
    const Clock::time_point started = Clock::now();
    std::this_thread::sleep_for(seconds(is_quick ? 2 : 10));
    const double elapsed = std::chrono::duration<double>(Clock::now() - started).count();
    const double cpu = CpuSeconds(site.agent()) - cpu_before;
    const auto bytes = static_cast<double>(load.bytes() - bytes_before);
    const double scan = SumOf(site.AgentPage(), "skimwatch_scan_seconds_total") -
                        SumOf(page_before, "skimwatch_scan_seconds_total");
    load.Stop();
    // All that is in the ring.
    std::this_thread::sleep_for(milliseconds(500));
    const std::string page = site.AgentPage();
    state.counters["mbit_sent"] = bytes * 8e-6 / elapsed;
    state.counters["cpu_percent"] = 100 * cpu / elapsed;
    state.counters["scan_percent"] = 100 * scan / cpu;
    state.counters["rss_mib"] = StatusMib(site.agent(), "VmRSS");
    state.counters["kernel_drops"] = SumOf(page, "skimwatch_capture_kernel_drops_total");
    state.counters["lost_bytes"] =
        static_cast<double>(load.bytes()) -
        (SumOf(page, "skimwatch_source_bytes_total") -
         SumOf(page, "skimwatch_source_bytes_total", "outcome=\"inbound\"") -
         SumOf(page, "skimwatch_source_bytes_total", "reason=\"undecodable.packet\""));
  }
}

void RunIdle(benchmark::State& state) {
  const Site site;
  if (!site.ok()) return state.SkipWithError(kNoSite);
  for (auto _ : state) {
    // What a start leaves behind.
    std::this_thread::sleep_for(seconds(is_quick ? 1 : 3));
    const double before = CpuSeconds(site.agent());
    const Clock::time_point started = Clock::now();
    std::this_thread::sleep_for(seconds(is_quick ? 4 : 20));
    const double elapsed = std::chrono::duration<double>(Clock::now() - started).count();
    state.counters["cpu_percent"] = 100 * (CpuSeconds(site.agent()) - before) / elapsed;
    state.counters["rss_mib"] = StatusMib(site.agent(), "VmRSS");
    state.counters["rss_anon_mib"] = StatusMib(site.agent(), "RssAnon");
    state.counters["rss_file_mib"] = StatusMib(site.agent(), "RssFile");
  }
}

void RunDelay(benchmark::State& state) {
  const Site site;
  if (!site.ok()) return state.SkipWithError(kNoSite);
  std::unique_ptr<Load> load;
  if (state.range(0) > 0) {
    if (Responses().empty()) return state.SkipWithError(kNoFiles);
    load = std::make_unique<Load>(site.traffic(), static_cast<double>(state.range(0)), Responses());
  }
  const std::unique_ptr<Traffic::Connection> connection = site.traffic().Connect();
  const int samples = is_quick ? 20 : 200;
  std::mt19937 random(3);
  std::vector<double> delays;
  for (auto _ : state) {
    double known = site.Findings();
    for (int i = 0; i < samples; ++i) {
      // At any time of whatever works in turns.
      std::this_thread::sleep_for(milliseconds(random() % 50));
      const Clock::time_point sent = Clock::now();
      if (!connection->Exchange(CardResponse(static_cast<uint64_t>(i)))) {
        return state.SkipWithError("the connection broke");
      }
      double now_known = known;
      while ((now_known = site.Findings()) <= known && Clock::now() - sent < seconds(10)) {
        std::this_thread::sleep_for(milliseconds(2));
      }
      if (now_known <= known) return state.SkipWithError("a finding did not come within 10 s");
      known = now_known;
      delays.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
    }
  }
  state.counters["p50_ms"] = Percentile(delays, 0.5);
  state.counters["p99_ms"] = Percentile(delays, 0.99);
  state.counters["max_ms"] = Percentile(delays, 1);
}

void RunFlood(benchmark::State& state) {
  const Site site;
  if (!site.ok()) return state.SkipWithError(kNoSite);
  const auto length = seconds(is_quick ? 3 : 60);
  const uint64_t cards = is_quick ? 5000 : 100'000;
  std::atomic<uint64_t> next = 0;
  std::atomic<uint64_t> sent = 0;
  for (auto _ : state) {
    const double cpu_before = CpuSeconds(site.agent());
    const Clock::time_point started = Clock::now();
    std::vector<std::unique_ptr<Traffic::Connection>> connections;
    for (int i = 0; i < kConnections; ++i) connections.push_back(site.traffic().Connect());
    std::vector<std::thread> threads;
    for (int i = 0; i < kConnections; ++i) {
      threads.emplace_back([&, connection = connections[static_cast<size_t>(i)].get()] {
        for (uint64_t n; connection->ok() && (n = next++) < cards;) {
          std::this_thread::sleep_until(
              started + std::chrono::duration_cast<Clock::duration>(
                            length * (static_cast<double>(n) / static_cast<double>(cards))));
          if (!connection->Exchange(CardResponse(n))) return;
          ++sent;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const Clock::time_point ended = Clock::now();
    if (sent != cards) return state.SkipWithError("a connection broke");
    double stored = 0;
    skimwatch::testing::WaitUntil([&] {
      stored = SumOf(site.CollectorPage(), "skimwatch_exposure_distinct_cards");
      return stored >= static_cast<double>(cards);
    });
    const std::string page = site.AgentPage();
    const double elapsed = std::chrono::duration<double>(ended - started).count();
    state.counters["found"] = SumOf(page, "skimwatch_card_sightings_total");
    state.counters["findings"] = site.Findings();
    state.counters["cards_per_s"] = static_cast<double>(cards) / elapsed;
    state.counters["stored"] = stored;
    state.counters["missed"] = static_cast<double>(cards) - stored;
    state.counters["folded"] = SumOf(page, "skimwatch_findings_folded_total");
    state.counters["drain_s"] = std::chrono::duration<double>(Clock::now() - ended).count();
    state.counters["cpu_percent"] = 100 * (CpuSeconds(site.agent()) - cpu_before) / elapsed;
    state.counters["rss_peak_mib"] = StatusMib(site.agent(), "VmHWM");
    state.counters["kernel_drops"] = SumOf(page, "skimwatch_capture_kernel_drops_total");
  }
}

void Register() {
  const auto add = [](const char* name, void (*function)(benchmark::State&)) {
    return benchmark::RegisterBenchmark(name, function)
        ->Iterations(1)
        ->Unit(benchmark::kSecond)
        ->UseRealTime();
  };
  add("Load", RunLoad)
      ->ArgNames({"mbit", "offload"})
      ->Args({1000, 1})
      ->Args({1000, 0})
      ->Args({100, 1})
      ->Args({100, 0});
  add("Idle", RunIdle);
  add("Delay", RunDelay)->ArgName("mbit")->Arg(0)->Arg(100);
  add("Flood", RunFlood);
}

}  // namespace
}  // namespace skimwatch::traffic::bench

int main(int argc, char** argv) {
  using skimwatch::traffic::bench::is_quick;
  std::vector<char*> rest = {argv[0]};
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--quick") {
      is_quick = true;
    } else {
      rest.push_back(argv[i]);
    }
  }
  argc = static_cast<int>(rest.size());
  argv = rest.data();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  skimwatch::traffic::bench::Register();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
