// What TLS probes cost the program that they watch: a real nginx passes requests on over TLS to
// another real nginx, under wrk, with and without a real skimwatch-agent that watches the first
// one. Runs with and without are made in turn, and each pair gives one figure, so that what else
// the machine does falls on both. Needs root, nginx, wrk and openssl; all shares the machine's
// processors.
//
//   bench_tls [--quick] [--benchmark_filter=...]
//
// Rows of Floor: what the kernel takes for a probe with a program that does nothing, in us a call,
// at an instruction that it carries out by itself and at one that the processor steps through.
//
// Rows of NginxProxy: bytes of a request's body. Counters: requests a second without and with
// probes, medians of all pairs; tax_percent, the median of what a pair lost; without_us and
// with_us, processor time of the watched nginx for a request, the kernel's work in the probes
// included, and cpu_tax_percent, the median of what that grew by in a pair; agent_us, that of the
// agent; MiB of plain text that the agent scanned in all, and bytes that the ring had no room for.
//
// Throughput says what the probes cost only while nothing but the bench runs: then the watched
// nginx is what limits it. Its processor time for a request says so on a machine with other work,
// too.

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
#include "benchmark/benchmark.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

#ifdef __x86_64__
extern "C" {
void skimwatch_bench_push();
void skimwatch_bench_sub();
}
asm(R"(
.text
.globl skimwatch_bench_push
.type skimwatch_bench_push, @function
skimwatch_bench_push:
  push %rbx
  pop %rbx
  ret
.globl skimwatch_bench_sub
.type skimwatch_bench_sub, @function
skimwatch_bench_sub:
  sub $8, %rsp
  add $8, %rsp
  ret
)");
#endif

namespace skimwatch {
namespace {

// Set by --quick.
bool is_quick = false;

int Pairs() { return is_quick ? 2 : 7; }

// Connections are kept at both sides, as a server under load does, so that handshakes cost little.
constexpr char kNginx[] = R"(daemon off;
pid @NAME@.pid;
error_log @NAME@.log crit;
worker_processes 1;
events { worker_connections 1024; }
http {
  client_body_temp_path tmp/@NAME@-body;
  proxy_temp_path tmp/@NAME@-proxy;
  fastcgi_temp_path tmp/@NAME@-fastcgi;
  uwsgi_temp_path tmp/@NAME@-uwsgi;
  scgi_temp_path tmp/@NAME@-scgi;
  client_body_buffer_size 256k;
  access_log off;
  keepalive_requests 1000000;
  @SERVER@
}
)";
constexpr char kOrigin[] = R"(server {
    listen 127.0.0.1:@TLS@ ssl;
    ssl_certificate certificate;
    ssl_certificate_key key;
    location / { return 200 "taken\n"; }
  })";
constexpr char kProxy[] = R"(upstream origin { server 127.0.0.1:@TLS@; keepalive 64; }
  server {
    listen 127.0.0.1:@HTTP@;
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass https://origin;
    }
  })";

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    address.sin_port = 0;
  }
  close(fd);
  return ntohs(address.sin_port);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// The sum of a family's samples on a /metrics page.
double SumOf(const std::string& page, const std::string& name) {
  double sum = 0;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    double value = 0;
    if (line.rfind(name, 0) == 0 && absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) {
      sum += value;
    }
  }
  return sum;
}

// Time on a processor, of all threads that live.
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

class Bench {
 public:
  explicit Bench(size_t body_bytes) {
    testing::RunProgram({.command = {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec",
                                     "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                                     "1", "-subj", "/CN=origin.example", "-keyout",
                                     folder_.File("key"), "-out", folder_.File("certificate")}});
    std::filesystem::create_directory(folder_.File("tmp"));
    std::ofstream(folder_.File("post.lua"))
        << "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{"
        << "\"items\":\"" << std::string(body_bytes, 'x') << "\"}'\n";
    origin_ = Nginx("origin", kOrigin);
    proxy_ = Nginx("proxy", kProxy);
  }
  ~Bench() {
    for (const auto* nginx : {&origin_, &proxy_}) {
      if (*nginx == nullptr) continue;
      (*nginx)->Signal(SIGTERM);
      (*nginx)->Wait();
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  bool Ready() const {
    return testing::WaitUntil([&] { return !testing::HttpGet(http_port_, "/").empty(); });
  }

  struct Figures {
    // Requests a second, and processor time for one in microseconds.
    double rate = 0;
    double nginx_us = 0;
    double agent_us = 0;
  };

  std::optional<Figures> Load(pid_t agent = 0) const {
    const double nginx_before = NginxCpuSeconds();
    const double agent_before = agent == 0 ? 0 : CpuSeconds(agent);
    const testing::Result result = testing::RunProgram(
        {.command = {"/usr/bin/wrk", "-t1", "-c16", is_quick ? "-d1s" : "-d2s", "-s",
                     folder_.File("post.lua"),
                     absl::StrCat("http://127.0.0.1:", http_port_, "/checkout")}});
    const double nginx = NginxCpuSeconds() - nginx_before;
    const double watching = agent == 0 ? 0 : CpuSeconds(agent) - agent_before;
    Figures figures;
    double requests = 0;
    const size_t at = result.out.find("Requests/sec:");
    const size_t count_end = result.out.find(" requests in ");
    if (at == std::string::npos || count_end == std::string::npos ||
        !absl::SimpleAtod(result.out.substr(at + 13, result.out.find('\n', at) - at - 13),
                          &figures.rate)) {
      return std::nullopt;
    }
    const size_t count_at = result.out.rfind('\n', count_end) + 1;
    if (!absl::SimpleAtod(result.out.substr(count_at, count_end - count_at), &requests) ||
        requests == 0) {
      return std::nullopt;
    }
    figures.nginx_us = 1e6 * nginx / requests;
    figures.agent_us = 1e6 * watching / requests;
    return figures;
  }

  // The same while an agent watches; adds what it scanned and what was dropped.
  std::optional<Figures> LoadWatched(double& scanned_bytes, double& dropped_bytes) const {
    testing::Daemon agent({.program = "skimwatch-agent", .folder = folder_.path()});
    agent.Start(absl::StrCat(
        "sites: [{ name: shop }]\n"
        "collector: { address: \"127.0.0.1:1\", tls: { plaintext: true } }\n"
        "metrics: { listen: \"127.0.0.1:0\" }\nstate_directory: ",
        folder_.File("state"), "\nsources: { tls_probes: [{ processes: [nginx] }] }\n"));
    const std::optional<Figures> figures = Load(agent.pid());
    const std::string page = testing::HttpGet(agent.port("metrics"), "/metrics");
    scanned_bytes += SumOf(page, "skimwatch_scan_bytes_total");
    dropped_bytes += SumOf(page, "skimwatch_tls_probe_dropped_bytes_total");
    agent.Stop(SIGTERM);
    return figures;
  }

 private:
  // Of the watched nginx, master and worker.
  double NginxCpuSeconds() const {
    const pid_t master = proxy_->pid();
    std::ifstream children(absl::StrCat("/proc/", master, "/task/", master, "/children"));
    double sum = CpuSeconds(master);
    for (pid_t worker = 0; children >> worker;) sum += CpuSeconds(worker);
    return sum;
  }

  std::unique_ptr<testing::ChildProcess> Nginx(const std::string& name, const std::string& server) {
    const std::string file = name + ".conf";
    std::ofstream(folder_.File(file)) << absl::StrReplaceAll(
        absl::StrReplaceAll(kNginx, {{"@SERVER@", server}, {"@NAME@", name}}),
        {{"@TLS@", absl::StrCat(tls_port_)}, {"@HTTP@", absl::StrCat(http_port_)}});
    return std::make_unique<testing::ChildProcess>(
        testing::ChildProcess::Options{.command = {"/usr/sbin/nginx", "-e", name + ".log", "-p",
                                                   folder_.path() + "/", "-c", file}});
  }

  testing::TempFolder folder_;
  const int tls_port_ = FreePort();
  const int http_port_ = FreePort();
  std::unique_ptr<testing::ChildProcess> origin_;
  std::unique_ptr<testing::ChildProcess> proxy_;
};

void NginxProxy(benchmark::State& state) {
  if (const absl::Status s = traffic::CheckTlsProbeSupport(); !s.ok()) {
    return state.SkipWithError(std::string(s.message()).c_str());
  }
  const Bench bench(static_cast<size_t>(state.range(0)));
  if (!bench.Ready() || !bench.Load().has_value()) {
    return state.SkipWithError("nginx or wrk did not start");
  }
  std::vector<double> without, with, tax, without_us, with_us, cpu_tax, agent_us;
  double scanned_bytes = 0;
  double dropped_bytes = 0;
  for (auto _ : state) {
    for (int pair = 0; pair < Pairs(); ++pair) {
      // In turn, so that what grows or wears off favours neither.
      std::optional<Bench::Figures> watched;
      if (pair % 2 == 0) watched = bench.LoadWatched(scanned_bytes, dropped_bytes);
      const std::optional<Bench::Figures> alone = bench.Load();
      if (pair % 2 == 1) watched = bench.LoadWatched(scanned_bytes, dropped_bytes);
      if (!watched.has_value() || !alone.has_value()) {
        return state.SkipWithError("wrk gave no figure");
      }
      without.push_back(alone->rate);
      with.push_back(watched->rate);
      tax.push_back(100 * (1 - watched->rate / alone->rate));
      without_us.push_back(alone->nginx_us);
      with_us.push_back(watched->nginx_us);
      cpu_tax.push_back(100 * (watched->nginx_us / alone->nginx_us - 1));
      agent_us.push_back(watched->agent_us);
    }
  }
  if (scanned_bytes == 0) return state.SkipWithError("the agent saw nothing");
  state.counters["without_per_s"] = Median(without);
  state.counters["with_per_s"] = Median(with);
  state.counters["tax_percent"] = Median(tax);
  state.counters["without_us"] = Median(without_us);
  state.counters["with_us"] = Median(with_us);
  state.counters["cpu_tax_percent"] = Median(cpu_tax);
  state.counters["agent_us"] = Median(agent_us);
  state.counters["scanned_mib"] = scanned_bytes / (1 << 20);
  state.counters["dropped_bytes"] = dropped_bytes;
}

#ifdef __x86_64__
// Where code of this program lies in its file; 0 where that is not to be found.
uint64_t OffsetInFile(void (*function)()) {
  const auto address = reinterpret_cast<uint64_t>(function);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t offset = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &begin, &end, &offset) == 3 &&
        address >= begin && address < end) {
      return address - begin + offset;
    }
  }
  return 0;
}

// A probe of this program's file that runs `program`; -1 where the kernel lets none be set.
int SetProbe(int program, uint64_t offset, bool at_return) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  std::ifstream("/sys/bus/event_source/devices/uprobe/type") >> attributes.type;
  attributes.config = at_return ? 1 : 0;
  attributes.uprobe_path = reinterpret_cast<uint64_t>("/proc/self/exe");
  attributes.probe_offset = offset;
  const auto fd =
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd >= 0 && (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) != 0 ||
                  ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0)) {
    close(fd);
    return -1;
  }
  return fd;
}

void Floor(benchmark::State& state, void (*function)(), bool with_return) {
  const bpf_insn nothing[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
                              {.code = BPF_JMP | BPF_EXIT}};
  const int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "nothing", "GPL", nothing, 2, nullptr);
  const uint64_t offset = OffsetInFile(function);
  std::vector<int> open = {program, program < 0 ? -1 : SetProbe(program, offset, false)};
  if (with_return) open.push_back(program < 0 ? -1 : SetProbe(program, offset, true));
  if (std::count(open.begin(), open.end(), -1) > 0) {
    state.SkipWithError("no probe could be set (as root?)");
  }
  for (auto _ : state) function();
  for (const int fd : open) {
    if (fd >= 0) close(fd);
  }
}

BENCHMARK_CAPTURE(Floor, push, skimwatch_bench_push, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Floor, push_and_return, skimwatch_bench_push, true)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Floor, step, skimwatch_bench_sub, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Floor, step_and_return, skimwatch_bench_sub, true)->Unit(benchmark::kMicrosecond);
#endif

BENCHMARK(NginxProxy)
    ->ArgName("body_bytes")
    ->Arg(200)
    ->Arg(4096)
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  std::vector<char*> rest = {argv[0]};
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--quick") {
      skimwatch::is_quick = true;
    } else {
      rest.push_back(argv[i]);
    }
  }
  argc = static_cast<int>(rest.size());
  argv = rest.data();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
