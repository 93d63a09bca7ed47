// How fast `skimwatch-agent scan` goes through a capture file of web traffic, beside tshark and
// tcpflow on the same file in the same run, and how much memory it takes. Bodies are real files:
// tests/data/gather-web-files.sh gathers them. Files are in the page cache; programs run one after
// the other, and figures are medians of their processor time, with all of their threads.
//
//   bench_replay [--quick] [--keep FOLDER] [--benchmark_filter=...]
//
// --keep leaves the capture files in FOLDER, for a profiler.
//
// Rows:
//   Replay/mixed, none, gzip   which bodies are compressed (web_capture.h)
//   Decode/mixed, none, gzip   the same without the scanner, in this process: what the rest costs
//   Tshark, Tcpflow            the file of Replay/mixed
//   MemoryBySize, MemoryByFlows
// Counters: gbit_per_core_s, wire bits of the packets a second of processor time; content_gbit...,
// bits of requests' and bodies' content, codings undone; cpu_s; wall_s; missed, numbers planted and
// not found, which is an error; times_tshark and times_tcpflow, how much more processor time these
// take.
//
// tshark puts streams together again, dissects HTTP/1 and HTTP/2, undoes gzip, and prints fields of
// each message; tcpflow puts streams together and writes each to a file, here in memory.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "agent/traffic/source/pcap_file.h"
#include "benchmark/benchmark.h"
#include "tests/bench/traffic/web_capture.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::traffic::bench {
namespace {

using skimwatch::testing::Result;
using skimwatch::testing::RunProgram;

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kBodiesBytes = 48 * kMiB;

// Set by --quick.
bool is_quick = false;
// Set by --keep.
std::string kept_folder;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Capture {
  std::string path;
  CaptureTotals totals;
};

// Files of this run, made when first asked for.
class Captures {
 public:
  static Captures& Get() {
    static auto* const captures = new Captures;
    return *captures;
  }

  // Null where there are no files to make it of.
  const Capture* Mixed(Codings codings, uint64_t bytes) {
    const std::string name = absl::StrCat("mixed-", static_cast<int>(codings), "-", bytes);
    return Make(name, [&](const std::string& path) {
      const std::vector<WebBody> bodies = LoadBodies(SKIMWATCH_CORPUS, codings, kBodiesBytes, 7);
      return bodies.empty() ? CaptureTotals() : WriteMixed(path, bodies, bytes, 11);
    });
  }

  void Remove(const Capture& capture) {
    if (!kept_folder.empty()) return;
    std::remove(capture.path.c_str());
    std::erase_if(made_, [&](const auto& entry) { return entry.second.path == capture.path; });
  }

  const Capture* Concurrent(uint64_t flows, bool all_in_body) {
    return Make(absl::StrCat("flows-", flows, "-", all_in_body),
                [&](const std::string& path) { return WriteConcurrent(path, flows, all_in_body); });
  }

  void Clear() { folder_.reset(); }

 private:
  const Capture* Make(const std::string& name,
                      const std::function<CaptureTotals(const std::string&)>& write) {
    Capture& capture = made_[name];
    if (capture.path.empty()) {
      capture.path = (kept_folder.empty() ? folder_->path() : kept_folder) + "/" + name + ".pcap";
      capture.totals = InChild([&] { return write(capture.path); });
    }
    return capture.totals.packets == 0 ? nullptr : &capture;
  }

  // The memory that a program is said to have had begins with that of the process that starts it.
  static CaptureTotals InChild(const std::function<CaptureTotals()>& write) {
    CaptureTotals totals;
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) return totals;
    const pid_t child = fork();
    if (child == 0) {
      totals = write();
      _exit(::write(ends[1], &totals, sizeof totals) == sizeof totals ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &totals, sizeof totals) != sizeof totals) totals = CaptureTotals();
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return totals;
  }

  std::unique_ptr<skimwatch::testing::TempFolder> folder_ =
      std::make_unique<skimwatch::testing::TempFolder>();
  std::map<std::string, Capture> made_;
};

uint64_t FileBytes() { return (is_quick ? 48 : 256) * kMiB; }
constexpr char kNoFiles[] = "no files to make captures of: run tests/data/gather-web-files.sh";

Result Scan(const Capture& capture) {
  return RunProgram({.command = {SKIMWATCH_SCAN_PROGRAM, "scan", "--format", "json",
                                 "--no-progress", capture.path},
                     .environment = {},
                     .patience = absl::Minutes(5)});
}

// Findings with a planted number; of those only the ones whose line has `also`.
uint64_t CountFound(const Result& result, std::string_view also = "") {
  const std::string mark = absl::StrCat("\"masked\":\"", kPlantedPrefix);
  uint64_t found = 0;
  for (size_t begin = 0; begin < result.out.size();) {
    const size_t end = result.out.find('\n', begin);
    const std::string_view line = std::string_view(result.out).substr(begin, end - begin);
    if (line.find(mark) != std::string_view::npos && line.find(also) != std::string_view::npos) {
      ++found;
    }
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  return found;
}

void SetRates(benchmark::State& state, const CaptureTotals& totals, double cpu) {
  state.counters["cpu_s"] = cpu;
  state.counters["gbit_per_core_s"] = static_cast<double>(totals.wire_bytes) * 8e-9 / cpu;
  state.counters["content_gbit_per_core_s"] =
      static_cast<double>(totals.content_bytes) * 8e-9 / cpu;
}

// Processor time of one run of skimwatch on the file of mixed traffic.
double& MixedCpu() {
  static double cpu = 0;
  return cpu;
}

void Replay(benchmark::State& state, Codings codings) {
  const Capture* capture = Captures::Get().Mixed(codings, FileBytes());
  if (capture == nullptr) return state.SkipWithError(kNoFiles);
  std::vector<double> cpu;
  Result result;
  for (auto _ : state) {
    result = Scan(*capture);
    cpu.push_back(result.cpu_seconds);
  }
  const uint64_t found = CountFound(result);
  const uint64_t missed = capture->totals.planted - std::min(capture->totals.planted, found);
  state.counters["missed"] = static_cast<double>(missed);
  if (result.code != 1 || missed > 0) {
    return state.SkipWithError(
        absl::StrCat("exit code ", result.code, ", ", missed, " numbers were missed").c_str());
  }
  SetRates(state, capture->totals, Median(cpu));
  if (codings == Codings::kMixed) MixedCpu() = Median(cpu);
  state.counters["peak_rss_mib"] = static_cast<double>(result.resident_bytes_max) / kMiB;
}

class CountingSink final : public MessageSink, public PartConsumer {
 public:
  PartConsumer* BeginPart(const Provenance& /*provenance*/, Part /*part*/) override { return this; }
  void Data(std::string_view bytes) override { bytes_ += bytes.size(); }
  void Gap() override {}
  void End() override {}
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  double seconds = 0;
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    seconds += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }
  return seconds;
}

void Decode(benchmark::State& state, Codings codings) {
  const Capture* capture = Captures::Get().Mixed(codings, FileBytes());
  if (capture == nullptr) return state.SkipWithError(kNoFiles);
  const auto sites = SiteMap::Create({}, nullptr).value();
  std::vector<double> cpu;
  for (auto _ : state) {
    const double before = CpuSeconds();
    Coverage coverage;
    CountingSink sink;
    TrafficDecoderOptions options;
    options.source = SourceKind::kPcapFile;
    options.scan_inbound = true;
    TrafficDecoder decoder(options, sites, coverage, sink);
    auto file = PcapFile::Open(capture->path);
    if (!file.ok() || !(*file)->Run(decoder).ok() || sink.bytes() < capture->totals.content_bytes) {
      return state.SkipWithError("the file was not understood");
    }
    cpu.push_back(CpuSeconds() - before);
  }
  SetRates(state, capture->totals, Median(cpu));
}

void RunPeer(benchmark::State& state, const std::vector<std::string>& command,
             const std::string& ratio) {
  const Capture* capture = Captures::Get().Mixed(Codings::kMixed, FileBytes());
  if (capture == nullptr) return state.SkipWithError(kNoFiles);
  std::vector<double> cpu;
  for (auto _ : state) {
    std::vector<std::string> words = command;
    words.push_back(capture->path);
    const Result result = RunProgram(
        {.command = words, .environment = {"HOME=/nonexistent"}, .patience = absl::Minutes(5)});
    if (result.code != 0) {
      return state.SkipWithError(absl::StrCat(command[0], ": ", result.err.substr(0, 200)).c_str());
    }
    cpu.push_back(result.cpu_seconds);
    state.counters["output_mib"] = static_cast<double>(result.out.size()) / kMiB;
  }
  SetRates(state, capture->totals, Median(cpu));
  if (MixedCpu() > 0) state.counters[ratio] = Median(cpu) / MixedCpu();
}

void Tshark(benchmark::State& state) {
  std::vector<std::string> command = {"/usr/bin/tshark", "-n", "-d", "tcp.port==80,http"};
  // Streams of HTTP/2 on the port of HTTP/1 are told by their preface.
  for (const char* preference : {"tcp.desegment_tcp_streams:TRUE", "http.desegment_headers:TRUE",
                                 "http.desegment_body:TRUE", "http.decompress_body:TRUE"}) {
    command.insert(command.end(), {"-o", preference});
  }
  command.insert(command.end(), {"-Y", "http || http2", "-T", "fields"});
  for (const char* field :
       {"tcp.stream", "http.request.method", "http.host", "http.request.uri", "http.response.code",
        "http.content_type", "http2.streamid", "http2.headers.path", "http2.headers.status"}) {
    command.insert(command.end(), {"-e", field});
  }
  command.push_back("-r");
  RunPeer(state, command, "times_tshark");
}

void Tcpflow(benchmark::State& state) {
  const std::string folder = "/dev/shm";
  const skimwatch::testing::Result made =
      RunProgram({.command = {"/usr/bin/mktemp", "-d", folder + "/skimwatch.XXXXXX"}});
  std::string out = made.out.substr(0, made.out.find('\n'));
  RunPeer(
      state,
      {"/usr/bin/tcpflow", "-q", "-S", "enable_report=NO", "-x", "netviz", "-a", "-o", out, "-r"},
      "times_tcpflow");
  std::error_code ignored;
  if (!out.empty()) std::filesystem::remove_all(out, ignored);
}

void MemoryBySize(benchmark::State& state) {
  const auto bytes = static_cast<uint64_t>(state.range(0)) * kMiB;
  const Capture* capture = Captures::Get().Mixed(Codings::kMixed, bytes);
  if (capture == nullptr) return state.SkipWithError(kNoFiles);
  for (auto _ : state) {
    state.counters["peak_rss_mib"] = static_cast<double>(Scan(*capture).resident_bytes_max) / kMiB;
  }
  if (bytes != FileBytes()) Captures::Get().Remove(*capture);
}

void MemoryByFlows(benchmark::State& state) {
  const auto flows = static_cast<uint64_t>(state.range(0));
  const Capture* capture = Captures::Get().Concurrent(flows, state.range(1) != 0);
  for (auto _ : state) {
    const Result result = Scan(*capture);
    state.counters["peak_rss_mib"] = static_cast<double>(result.resident_bytes_max) / kMiB;
    state.counters["cpu_s"] = result.cpu_seconds;
    state.counters["missed"] = static_cast<double>(capture->totals.planted) -
                               static_cast<double>(CountFound(result, R"("part":"response_body")"));
  }
  Captures::Get().Remove(*capture);
}

void Register() {
  const int repeats = is_quick ? 1 : 5;
  const std::pair<const char*, Codings> codings[] = {
      {"mixed", Codings::kMixed}, {"none", Codings::kNone}, {"gzip", Codings::kGzip}};
  const auto add = [](benchmark::internal::Benchmark* one, int iterations) {
    one->Iterations(iterations)->Unit(benchmark::kMillisecond)->UseRealTime();
    return one;
  };
  for (const auto& [name, coding] : codings) {
    add(benchmark::RegisterBenchmark(absl::StrCat("Replay/", name).c_str(), Replay, coding),
        repeats);
  }
  add(benchmark::RegisterBenchmark("Tshark", Tshark), 1);
  add(benchmark::RegisterBenchmark("Tcpflow", Tcpflow), is_quick ? 1 : 3);
  for (const auto& [name, coding] : codings) {
    add(benchmark::RegisterBenchmark(absl::StrCat("Decode/", name).c_str(), Decode, coding),
        repeats);
  }
  auto* by_size = add(benchmark::RegisterBenchmark("MemoryBySize", MemoryBySize), 1);
  by_size->ArgName("mib")->Arg(is_quick ? 12 : 64)->Arg(is_quick ? 48 : 512);
  auto* by_flows = add(benchmark::RegisterBenchmark("MemoryByFlows", MemoryByFlows), 1);
  by_flows->ArgNames({"flows", "all_in_body"})->Args({10'000, 0})->Args({10'000, 1});
  if (!is_quick) by_flows->Args({1'000'000, 0});
}

}  // namespace
}  // namespace skimwatch::traffic::bench

int main(int argc, char** argv) {
  using skimwatch::traffic::bench::is_quick;
  using skimwatch::traffic::bench::kept_folder;
  std::vector<char*> rest = {argv[0]};
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--quick") {
      is_quick = true;
    } else if (std::string_view(argv[i]) == "--keep" && i + 1 < argc) {
      kept_folder = argv[++i];
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
  skimwatch::traffic::bench::Captures::Get().Clear();
  return 0;
}
