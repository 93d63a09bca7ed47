// What TLS probes cost the program that they watch: a real nginx passes requests on over TLS to
// another real nginx, under wrk, with and without a real skimwatch-agent that watches the first
// one. Runs with and without are made in turn, and each pair gives one figure, so that what else
// the machine does falls on both. Needs root, nginx, wrk and openssl; all shares the machine's
// processors.
//
//   bench_tls [--benchmark_filter=...]
//
// Rows: bytes of a request's body. Counters: requests a second without and with probes, medians of
// all pairs; tax_percent, the median of what a pair lost; MiB of plain text that the agent scanned
// in all, and bytes that the ring had no room for.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
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

namespace skimwatch {
namespace {

constexpr int kPairs = 5;

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

  // Requests a second.
  std::optional<double> Load() const {
    const testing::Result result = testing::RunProgram(
        {.command = {"/usr/bin/wrk", "-t1", "-c16", "-d3s", "-s", folder_.File("post.lua"),
                     absl::StrCat("http://127.0.0.1:", http_port_, "/checkout")}});
    const size_t at = result.out.find("Requests/sec:");
    double rate = 0;
    if (at == std::string::npos ||
        !absl::SimpleAtod(result.out.substr(at + 13, result.out.find('\n', at) - at - 13), &rate)) {
      return std::nullopt;
    }
    return rate;
  }

  // The same while an agent watches; adds what it scanned and what was dropped.
  std::optional<double> LoadWatched(double& scanned_bytes, double& dropped_bytes) const {
    testing::Daemon agent({.program = "skimwatch-agent", .folder = folder_.path()});
    agent.Start(absl::StrCat(
        "sites: [{ name: shop }]\n"
        "collector: { address: \"127.0.0.1:1\", tls: { plaintext: true } }\n"
        "metrics: { listen: \"127.0.0.1:0\" }\nstate_directory: ",
        folder_.File("state"), "\nsources: { tls_probes: [{ processes: [nginx] }] }\n"));
    const std::optional<double> rate = Load();
    const std::string page = testing::HttpGet(agent.port("metrics"), "/metrics");
    scanned_bytes += SumOf(page, "skimwatch_scan_bytes_total");
    dropped_bytes += SumOf(page, "skimwatch_tls_probe_dropped_bytes_total");
    agent.Stop(SIGTERM);
    return rate;
  }

 private:
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
  std::vector<double> without, with, tax;
  double scanned_bytes = 0;
  double dropped_bytes = 0;
  for (auto _ : state) {
    for (int pair = 0; pair < kPairs; ++pair) {
      // In turn, so that what grows or wears off favours neither.
      std::optional<double> watched;
      if (pair % 2 == 0) watched = bench.LoadWatched(scanned_bytes, dropped_bytes);
      const std::optional<double> alone = bench.Load();
      if (pair % 2 == 1) watched = bench.LoadWatched(scanned_bytes, dropped_bytes);
      if (!watched.has_value() || !alone.has_value()) {
        return state.SkipWithError("wrk gave no figure");
      }
      without.push_back(*alone);
      with.push_back(*watched);
      tax.push_back(100 * (1 - *watched / *alone));
    }
  }
  if (scanned_bytes == 0) return state.SkipWithError("the agent saw nothing");
  state.counters["without_per_s"] = Median(without);
  state.counters["with_per_s"] = Median(with);
  state.counters["tax_percent"] = Median(tax);
  state.counters["scanned_mib"] = scanned_bytes / (1 << 20);
  state.counters["dropped_bytes"] = dropped_bytes;
}

BENCHMARK(NginxProxy)
    ->ArgName("body_bytes")
    ->Arg(200)
    ->Arg(4096)
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
