// What a large web root costs: the first look, a full look at a tree that is known, a look by size
// and times, memory, idling, and the time from a change to the finding; beside a plain read of the
// same files and AIDE on the same tree in the same run.
//
//   bench_web_root [--files=N] [--folder=DIR] [--benchmark_filter=...]
//
// N files (1,000,000 by default) are made below DIR ($TMPDIR) from a seed, all of them scripts and
// pages that Skimwatch selects, 100 bytes to 20 KB with a mean of 3.4 KB, 20 a folder: about 7 GB
// of disk and as much page cache. All rows but the making are with the tree in the page cache. As
// root, fs.inotify.max_user_watches is raised where it is too low, and stays so; else folders
// without a watch are counted in `unwatched`.
//
// Skimwatch is its monitor of web roots as the agent has it, with facts, YARA rules and the scan
// for card numbers; findings are counted and go no further. AIDE keeps inode, size, times and
// SHA-256.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/card/mask.h"
#include "agent/card/scanner.h"
#include "agent/script/script_monitor.h"
#include "benchmark/benchmark.h"

namespace skimwatch {
namespace {

namespace fs = std::filesystem;
using Figures = std::map<std::string, double>;

constexpr int kFilesPerFolder = 20;
constexpr int kChanges = 100;
constexpr absl::Duration kIdle = absl::Seconds(20);

struct Settings {
  int64_t files = 1'000'000;
  std::string folder;
};

std::string Text(std::mt19937_64& random, size_t bytes) {
  static constexpr std::string_view kWords[] = {
      "module", "exports", "props",  "state",  "return",   "render", "target", "options",
      "length", "value",   "update", "parent", "children", "key",    "index",  "result"};
  const auto word = [&] { return kWords[random() % std::size(kWords)]; };
  std::string text;
  while (text.size() < bytes) {
    absl::StrAppend(&text, "function ", std::string(word()), random() % 1000,
                    "(e, t) {\n  var n = e.", std::string(word()), ", r = t[", random() % 1000,
                    "];\n  if (n && r !== '", std::string(word()),
                    "') return Object.assign({}, n, { ", std::string(word()), ": ",
                    random() % 100000, " });\n}\n");
  }
  text.resize(bytes);
  return text;
}

std::string NameOf(int64_t number) {
  const int64_t folder = number / kFilesPerFolder;
  return absl::StrCat("assets-", folder / 1000, "/package-", folder % 1000, "/file-", number,
                      number % kFilesPerFolder == 0 ? ".html" : ".js");
}

// Bytes in all.
uint64_t MakeTree(const std::string& root, int64_t files) {
  std::mt19937_64 random(42);
  // Made once; a file is a part of it with a line of its own.
  const std::string pool = Text(random, 1 << 20);
  uint64_t bytes = 0;
  for (int64_t i = 0; i < files; ++i) {
    const fs::path path = fs::path(root) / NameOf(i);
    if (i % kFilesPerFolder == 0) fs::create_directories(path.parent_path());
    const double exponent = 2 + 2.3 * static_cast<double>(random() % 1000) / 1000;
    const auto size = static_cast<size_t>(std::pow(10, exponent));
    std::string text = absl::StrCat("var id = ", i, ";\n");
    text += std::string_view(pool).substr(random() % (pool.size() - size), size);
    if (i % kFilesPerFolder == 0) {
      text =
          absl::StrCat("<!DOCTYPE html><html><head><script src=\"/app.js\"></script></head><body>",
                       "<script>", text, "</script></body></html>\n");
    }
    bytes += text.size();
    std::ofstream(path, std::ios::binary) << text;
  }
  return bytes;
}

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Mib(const char* key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, key)) return std::stod(line.substr(line.find(':') + 1)) / 1024;
  }
  return 0;
}

class Stopwatch {
 public:
  double wall() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  double cpu() const { return CpuSeconds(RUSAGE_SELF) - cpu_; }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const double cpu_ = CpuSeconds(RUSAGE_SELF);
};

// Searches texts as the agent does, and can be waited on for a script's change.
class CountingSink : public script::ScriptSink, card::MatchSink {
 public:
  void OnChange(std::string_view /*site*/, const v1::ScriptChange& change,
                v1::Severity /*severity*/) override {
    absl::MutexLock lock(&mutex_);
    last_ = change.script();
    ++changes_;
  }
  void OnText(std::string_view /*site*/, std::string_view /*script*/,
              std::string_view text) override {
    stream_.Begin({});
    stream_.Feed(text, *this);
    stream_.Finish(*this);
  }
  void OnMatch(const card::CardMatch& /*match*/) override {}

  bool WaitFor(const std::string& script) {
    const auto is_there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return last_ == script; };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&is_there), absl::Seconds(60));
  }
  double changes() {
    absl::MutexLock lock(&mutex_);
    return static_cast<double>(changes_);
  }

 private:
  card::ScanStream stream_{card::ScanOptions{}, card::RedactionBrands()};
  absl::Mutex mutex_;
  std::string last_ ABSL_GUARDED_BY(mutex_);
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

std::unique_ptr<script::ScriptMonitor> OpenMonitor(const std::string& root,
                                                   const std::string& state,
                                                   uint32_t rescan_seconds, CountingSink& sink) {
  config::v1::WebRoot config;
  config.set_path(root);
  config.set_site("shop");
  for (const char* glob : {"*.js", "*.mjs", "*.cjs"}) config.add_scripts(glob);
  for (const char* glob : {"*.html", "*.htm", "*.xhtml"}) config.add_pages(glob);
  config.set_file_bytes_max(16 << 20);
  config.set_rescan_interval_seconds(rescan_seconds);
  script::ScriptMonitor::Options options;
  options.roots.push_back(config);
  options.state_directory = state;
  auto monitor = script::ScriptMonitor::Open(std::move(options), sink);
  if (!monitor.ok()) {
    std::cerr << monitor.status() << "\n";
    std::exit(1);
  }
  return *std::move(monitor);
}

void AwaitLooks(const script::ScriptMonitor& monitor, uint64_t looks) {
  while (monitor.GetStats().rescans < looks) absl::SleepFor(absl::Milliseconds(2));
}

// In a process of its own, so that memory and processor time are the monitor's alone.
Figures InChild(const std::function<Figures()>& work) {
  int ends[2];
  if (pipe(ends) != 0) std::exit(1);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    std::string text;
    for (const auto& [name, value] : work()) absl::StrAppend(&text, name, " ", value, "\n");
    [[maybe_unused]] const ssize_t put = write(ends[1], text.data(), text.size());
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char piece[4096];
  for (ssize_t got = 0; (got = read(ends[0], piece, sizeof piece)) > 0;) text.append(piece, got);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Figures figures;
  std::istringstream lines(text);
  std::string name;
  for (double value = 0; lines >> name >> value;) figures[name] = value;
  return figures;
}

Figures FirstLook(const std::string& root, const std::string& state) {
  CountingSink sink;
  const Stopwatch watch;
  const auto monitor = OpenMonitor(root, state, 604'800, sink);
  monitor->Start();
  AwaitLooks(*monitor, 1);
  Figures figures = {{"seconds", watch.wall()}, {"cpu_s", watch.cpu()}};
  // What the first look left to do: files that were too new, the state.
  while (monitor->GetStats().scripts == 0) absl::SleepFor(absl::Milliseconds(100));
  const script::ScriptMonitor::Stats stats = monitor->GetStats();
  figures["scripts"] = static_cast<double>(stats.scripts);
  figures["findings"] = sink.changes();
  figures["unwatched"] = static_cast<double>(stats.folders_unwatched);
  figures["errors"] = static_cast<double>(stats.errors);
  figures["peak_mib"] = Mib("VmHWM");
  monitor->Stop();
  return figures;
}

Figures AfterRestart(const std::string& root, const std::string& state, int64_t files) {
  CountingSink sink;
  Figures figures;
  const Stopwatch start;
  const auto monitor = OpenMonitor(root, state, 604'800, sink);
  figures["load_s"] = start.wall();
  const Stopwatch look;
  monitor->Start();
  AwaitLooks(*monitor, 1);
  figures["seconds"] = look.wall();
  figures["cpu_s"] = look.cpu();
  figures["findings"] = sink.changes();
  absl::SleepFor(absl::Seconds(5));
  const Stopwatch idle;
  absl::SleepFor(kIdle);
  figures["idle_cpu_percent"] = 100 * idle.cpu() / idle.wall();
  figures["resident_mib"] = Mib("VmRSS");
  std::vector<double> delays;
  std::mt19937_64 random(7);
  const Stopwatch changing;
  for (int i = 0; i < kChanges; ++i) {
    int64_t number = static_cast<int64_t>(random() % static_cast<uint64_t>(files));
    if (number % kFilesPerFolder == 0) ++number;
    const std::string name = NameOf(number);
    const std::string path = absl::StrCat(root, "/", name);
    std::ofstream(path + ".new") << "var changed = " << i << ";\n";
    fs::rename(path + ".new", path);
    const Stopwatch delay;
    if (!sink.WaitFor(name)) {
      std::cerr << "no finding of " << name << "\n";
      std::exit(1);
    }
    delays.push_back(delay.wall() * 1e3);
  }
  figures["change_cpu_ms"] = changing.cpu() * 1e3 / kChanges;
  std::sort(delays.begin(), delays.end());
  figures["change_p50_ms"] = delays[delays.size() / 2];
  figures["change_max_ms"] = delays.back();
  figures["peak_mib"] = Mib("VmHWM");
  monitor->Stop();
  return figures;
}

Figures LookByTimes(const std::string& root, const std::string& state) {
  CountingSink sink;
  const auto monitor = OpenMonitor(root, state, 1, sink);
  monitor->Start();
  AwaitLooks(*monitor, 1);
  // The second begins a second after the first.
  const uint64_t read = monitor->GetStats().bytes_read;
  absl::SleepFor(absl::Milliseconds(900));
  const Stopwatch look;
  AwaitLooks(*monitor, 2);
  Figures figures = {{"seconds", look.wall() - 0.1}, {"cpu_s", look.cpu()}};
  figures["bytes_read"] = static_cast<double>(monitor->GetStats().bytes_read - read);
  monitor->Stop();
  return figures;
}

Figures PlainRead(const std::string& root, int64_t files) {
  const Stopwatch watch;
  std::vector<char> buffer(1 << 20);
  uint64_t bytes = 0;
  uint64_t sum = 0;
  for (int64_t i = 0; i < files; ++i) {
    const int fd = open(absl::StrCat(root, "/", NameOf(i)).c_str(), O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 0; (got = read(fd, buffer.data(), buffer.size())) > 0;) {
      bytes += static_cast<uint64_t>(got);
      sum += static_cast<unsigned char>(buffer[0]);
    }
    close(fd);
  }
  benchmark::DoNotOptimize(sum);
  return {{"seconds", watch.wall()}, {"cpu_s", watch.cpu()}};
}

Figures Aide(const std::string& root, const std::string& work, bool checks) {
  std::ofstream(work + "/aide.conf")
      << "database_in=file:" << work << "/aide.db\ndatabase_out=file:" << work
      << "/aide.db.new\ngzip_dbout=no\nreport_url=file:" << work
      << "/aide.report\nKept=i+s+m+c+sha256\n"
      << root << " Kept\n";
  const double cpu = CpuSeconds(RUSAGE_CHILDREN);
  const Stopwatch watch;
  // Of no difference it says nothing with 0.
  const int code =
      std::system(absl::StrCat("/usr/bin/aide ", checks ? "--check" : "--init", " --config ", work,
                               "/aide.conf >", work, "/aide.out 2>&1")
                      .c_str());
  Figures figures = {{"seconds", watch.wall()}, {"cpu_s", CpuSeconds(RUSAGE_CHILDREN) - cpu}};
  if (code != 0) {
    figures["failed"] = code;
    std::ifstream said(work + "/aide.out");
    std::cerr << std::string(std::istreambuf_iterator<char>(said), {}).substr(0, 2000) << "\n";
  }
  if (!checks) fs::rename(work + "/aide.db.new", work + "/aide.db");
  return figures;
}

void RaiseWatches(int64_t needed) {
  constexpr const char* kSetting = "/proc/sys/fs/inotify/max_user_watches";
  int64_t now = 0;
  std::ifstream(kSetting) >> now;
  if (now >= needed) return;
  std::ofstream(kSetting) << needed;
  int64_t after = 0;
  std::ifstream(kSetting) >> after;
  std::cerr << "fs.inotify.max_user_watches: " << now << ", needed " << needed << ", now " << after
            << "\n";
}

void Register(const std::string& name, const std::function<Figures()>& measure) {
  benchmark::RegisterBenchmark(("WebRoot/" + name).c_str(),
                               [measure](benchmark::State& state) {
                                 for (auto _ : state) {
                                   Figures figures = measure();
                                   if (figures.empty() || figures.contains("failed")) {
                                     state.SkipWithError("it failed");
                                     return;
                                   }
                                   state.SetIterationTime(figures["seconds"]);
                                   figures.erase("seconds");
                                   for (const auto& [key, value] : figures) {
                                     state.counters[key] = value;
                                   }
                                 }
                               })
      ->Iterations(1)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

void Run(const Settings& settings) {
  std::string work = absl::StrCat(settings.folder, "/skimwatch-web-root.XXXXXX");
  if (mkdtemp(work.data()) == nullptr) {
    std::cerr << work << ": can't be made\n";
    std::exit(1);
  }
  work = fs::canonical(work);
  const std::string root = work + "/root";
  const std::string state = work + "/state";
  fs::create_directories(state);
  RaiseWatches(settings.files / kFilesPerFolder * 11 / 10 + 4096);
  Register("make", [&] {
    const Stopwatch watch;
    const uint64_t bytes = MakeTree(root, settings.files);
    sync();
    return Figures{{"seconds", watch.wall()},
                   {"mean_bytes", static_cast<double>(bytes / settings.files)},
                   {"files", static_cast<double>(settings.files)}};
  });
  Register("warm_up", [&] { return PlainRead(root, settings.files); });
  Register("plain_read", [&] { return PlainRead(root, settings.files); });
  Register("aide_init", [&] { return Aide(root, work, false); });
  Register("aide_check", [&] { return Aide(root, work, true); });
  Register("first_look", [&] { return InChild([&] { return FirstLook(root, state); }); });
  Register("look_after_restart",
           [&] { return InChild([&] { return AfterRestart(root, state, settings.files); }); });
  Register("look_by_times", [&] { return InChild([&] { return LookByTimes(root, state); }); });
  benchmark::RunSpecifiedBenchmarks();
  fs::remove_all(work);
}

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  skimwatch::Settings settings{.folder = std::filesystem::temp_directory_path()};
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--files=")) {
      if (!absl::SimpleAtoi(argument, &settings.files) || settings.files < 100) {
        std::cerr << "bench_web_root: --files needs a number from 100 on\n";
        return 2;
      }
    } else if (absl::ConsumePrefix(&argument, "--folder=")) {
      settings.folder = std::string(argument);
    } else if (argument == "--quick") {
      settings.files = 20'000;
    } else {
      rest.push_back(argv[i]);
    }
  }
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 1;
  skimwatch::Run(settings);
}
