// `skimwatch-agent scan` beside ripgrep on the same folders: whole programs, as many threads each,
// files in the page cache, output read from a pipe.
//
//   bench_scan [--benchmark_filter=...]
//
// Folders:
//   small    8,000 files of 100 bytes to 60 KiB, as packages and web roots have them
//   large    2 files of 128 MiB, as logs and dumps are
//   web      real files: build/corpus/web-files of tests/data/gather-web-files.sh where that was
//            run, or the folder that SKIMWATCH_BENCH_FOLDER names; left out where there is none
//
// Rows of ripgrep: its pattern `\b(?:\d[ -]?){12,18}\d\b` as it stands, where \d is every digit of
// Unicode, and with (?-u), ASCII only. It shows what has that form; our program undoes encodings,
// compression and archives and judges what it finds. Counters of our rows: how many times as fast
// as each of the two by the clock (x_) and by processor time (cpu_x_, which says more on a machine
// that does other things, too), and in the folders that are made here what was planted and missed;
// an iteration that missed any is an error.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/offline/processors.h"
#include "benchmark/benchmark.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch {
namespace {

namespace fs = std::filesystem;

constexpr char kPattern[] = R"(\b(?:\d[ -]?){12,18}\d\b)";

struct Folder {
  std::string path;
  uint64_t bytes = 0;
  // Numbers that every scan must find; none where nobody planted.
  std::optional<int64_t> planted;
};

// Text of the kind that web roots hold, a fifth of it digits.
class Writer {
 public:
  explicit Writer(uint32_t seed) : random_(seed) {}

  void Write(const std::string& path, size_t bytes, Folder& folder) {
    std::string text;
    text.reserve(bytes + 64);
    while (text.size() < bytes) AppendWord(text);
    // In one small file of ten, and in each large one.
    constexpr size_t kLargeBytes = size_t{1} << 20;
    if (bytes >= kLargeBytes || Pick(10) == 0) {
      absl::StrAppend(&text, "\ncard number: ", kNumbers[Pick(std::size(kNumbers))], "\n");
      ++*folder.planted;
    }
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    folder.bytes += text.size();
  }

  size_t Pick(size_t n) { return random_() % n; }

 private:
  void AppendWord(std::string& text) {
    static constexpr const char* kWords[] = {"function",
                                             "return",
                                             "const",
                                             "price",
                                             "<div class=\"item\">",
                                             "</div>\n",
                                             "window",
                                             "{\"name\":",
                                             "\"size\":",
                                             "true},",
                                             "margin:0;",
                                             "padding:12px;",
                                             "2024-03-01",
                                             "&nbsp;",
                                             "shipping",
                                             "customer",
                                             "v1.4.27",
                                             "0.75",
                                             "href=\"/products/1042\"",
                                             "\n  "};
    const size_t pick = Pick(std::size(kWords) + 4);
    if (pick < std::size(kWords)) {
      text += kWords[pick];
    } else if (pick == std::size(kWords)) {
      absl::StrAppend(&text, "\"id\":", random_(), ",");
    } else {
      absl::StrAppend(&text, "\"time\":17", random_() % 100'000'000'000, ",");
    }
    text.push_back(' ');
  }

  // Published test numbers.
  static constexpr const char* kNumbers[] = {"4242424242424242", "5555555555554444",
                                             "378282246310005", "6011111111111117"};

  std::mt19937_64 random_;
};

const testing::TempFolder& Temporary() {
  static const testing::TempFolder folder;
  return folder;
}

Folder Small() {
  Folder folder{.path = Temporary().File("small"), .planted = 0};
  Writer writer(/*seed=*/1);
  for (int i = 0; i < 8000; ++i) {
    // Most are little: 100 bytes to 60 KiB, with a median of 2.4 KiB.
    const double exponent = 2 + 2.78 * static_cast<double>(writer.Pick(1000)) / 1000;
    writer.Write(absl::StrCat(folder.path, "/", i % 97, "/", i % 13, "/", i, ".js"),
                 static_cast<size_t>(std::pow(10, exponent)), folder);
  }
  return folder;
}

Folder Large() {
  Folder folder{.path = Temporary().File("large"), .planted = 0};
  Writer writer(/*seed=*/2);
  for (int i = 0; i < 2; ++i) {
    writer.Write(absl::StrCat(folder.path, "/", i, ".log"), size_t{128} << 20, folder);
  }
  return folder;
}

// None where it was not gathered.
std::optional<Folder> Web() {
  const char* const named = std::getenv("SKIMWATCH_BENCH_FOLDER");
  Folder folder{.path = named != nullptr ? named : SKIMWATCH_SOURCE_DIR "/build/corpus/web-files"};
  if (!fs::is_directory(folder.path)) return std::nullopt;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path)) {
    if (entry.is_regular_file() && !entry.is_symlink()) folder.bytes += entry.file_size();
  }
  return folder;
}

struct Program {
  std::string name;
  std::vector<std::string> command;
};

struct Seconds {
  double wall = 0;
  // Of all threads, user and system.
  double cpu = 0;
};

double CpuSecondsOfChildren() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Seconds SecondsOf(const Program& program, testing::Result& result) {
  const double cpu_before = CpuSecondsOfChildren();
  const auto start = std::chrono::steady_clock::now();
  result = testing::RunProgram({.command = program.command, .environment = {"PATH=/usr/bin"}});
  return {.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          .cpu = CpuSecondsOfChildren() - cpu_before};
}

// Best seconds of each program on each folder so far: on a machine that does other things, too, the
// best says most.
std::map<std::string, Seconds>& BestSeconds() {
  static std::map<std::string, Seconds> best;
  return best;
}

void Run(benchmark::State& state, const std::string& folder_name, const Folder& folder,
         const Program& program) {
  testing::Result result;
  // Into the page cache.
  SecondsOf(program, result);
  Seconds best;
  for (auto _ : state) {
    const Seconds seconds = SecondsOf(program, result);
    state.SetIterationTime(seconds.wall);
    best.wall = best.wall == 0 ? seconds.wall : std::min(best.wall, seconds.wall);
    best.cpu = best.cpu == 0 ? seconds.cpu : std::min(best.cpu, seconds.cpu);
  }
  BestSeconds()[absl::StrCat(folder_name, "/", program.name)] = best;
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * folder.bytes));
  state.counters["best_MBps"] = static_cast<double>(folder.bytes) / 1e6 / best.wall;
  state.counters["cpu_ms"] = best.cpu * 1e3;
  if (program.name != "skimwatch") {
    if (result.code > 1) state.SkipWithError("ripgrep failed");
    return;
  }
  if (result.code > 1) state.SkipWithError("the scan was not complete");
  for (const char* const peer : {"ripgrep", "ripgrep_ascii"}) {
    const Seconds seconds = BestSeconds()[absl::StrCat(folder_name, "/", peer)];
    state.counters[absl::StrCat("x_", peer)] = seconds.wall / best.wall;
    state.counters[absl::StrCat("cpu_x_", peer)] = seconds.cpu / best.cpu;
  }
  if (!folder.planted.has_value()) return;
  int64_t found = 0;
  constexpr std::string_view kMark = "\"test_card\":true";
  for (size_t at = result.out.find(kMark); at != std::string::npos;
       at = result.out.find(kMark, at + kMark.size())) {
    ++found;
  }
  const int64_t missed = *folder.planted - std::min(*folder.planted, found);
  state.counters["planted"] = static_cast<double>(*folder.planted);
  state.counters["missed"] = static_cast<double>(missed);
  if (missed > 0) state.SkipWithError("planted numbers were missed");
}

void RegisterAll(std::map<std::string, Folder>& folders) {
  const std::string threads = absl::StrCat(offline::AvailableProcessors());
  for (const auto& [name, folder] : folders) {
    // Binary files, hidden ones and those that git ignores are searched, as by us.
    const std::vector<std::string> grep = {"/usr/bin/rg", "--no-config",     "--threads",
                                           threads,       "--text",          "--hidden",
                                           "--no-ignore", "--only-matching", "--byte-offset"};
    const auto with = [&](const std::string& pattern) {
      std::vector<std::string> command = grep;
      command.insert(command.end(), {pattern, folder.path});
      return command;
    };
    const std::vector<Program> programs = {{"ripgrep", with(kPattern)},
                                           {"ripgrep_ascii", with(absl::StrCat("(?-u)", kPattern))},
                                           {"skimwatch",
                                            {SKIMWATCH_SCAN_PROGRAM, "scan", "--format", "json",
                                             "--no-progress", "--jobs", threads, folder.path}}};
    for (const Program& program : programs) {
      benchmark::RegisterBenchmark(absl::StrCat("Scan/", name, "/", program.name).c_str(),
                                   [&folder, name = name, program](benchmark::State& state) {
                                     Run(state, name, folder, program);
                                   })
          ->Unit(benchmark::kMillisecond)
          ->MinTime(3)
          ->UseManualTime();
    }
  }
}

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::map<std::string, skimwatch::Folder> folders = {{"large", skimwatch::Large()},
                                                      {"small", skimwatch::Small()}};
  if (auto web = skimwatch::Web(); web.has_value()) folders.emplace("web", *std::move(web));
  skimwatch::RegisterAll(folders);
  benchmark::RunSpecifiedBenchmarks();
}
