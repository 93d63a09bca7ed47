// How fast bytes are searched for card numbers, beside the regular expressions that one would use
// instead, each with the Luhn test over what matches, and beside reading the bytes at all.
//
//   bench_card [--quick] [--web_files=DIR] [--benchmark_filter=...]
//              [--benchmark_out=FILE --benchmark_out_format=json]
//
// DIR is what tests/data/gather-web-files.sh gathered (default: build/corpus/web-files of the
// source tree); without it the rows of web files are errors. `--quick`, or a --benchmark_min_time
// below 0.1 s as run.sh --quick has it, takes 32 MiB for 256.
//
// Rows are engine/text. `scan` is the scanner with its default of three encodings undone,
// `scan_plain` without; `scan_AVX2` and its like with one set of instructions. The regular
// expressions know no brands, encodings or evidence: `vectorscan_iin` begins with issuers' digits
// and asks for no start of match, the other two are `\b(?:\d[ -]?){12,18}\d\b`. Times are the
// thread's own, so that other programs disturb less; each figure is the median of its runs.
//
// Counters: GB (10^9 bytes) a second; `x_read`, `x_vectorscan` the ratio to the rows of the same
// text, `of_normal` that of a worst case to digit_heavy; `found`; `recall` of the planted numbers.
// Rows stage/... give ns a KiB up to each stage, and what the first pass leads to: blocks of 64
// bytes in which it saw anything, and the share in which it saw each kind of thing.

#include <hs.h>
#include <re2/re2.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/card/brand_table.h"
#include "agent/card/first_pass.h"
#include "agent/card/luhn.h"
#include "agent/card/number_filter.h"
#include "agent/card/scanner.h"
#include "benchmark/benchmark.h"
#include "hwy/targets.h"
#include "tests/bench/card/corpus.h"

namespace skimwatch::bench {
namespace {

constexpr char kPattern[] = R"(\b(?:\d[ -]?){12,18}\d\b)";
// Of patterns that begin with issuers' first digits, the fastest of half a dozen on both texts.
constexpr char kIinPattern[] = R"(\b[2-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}\b)";

struct Settings {
  size_t text_bytes = size_t{256} << 20;
  size_t worst_bytes = size_t{32} << 20;
  std::string web_files;
  int runs = 7;
};
Settings& TheSettings() {
  static auto& settings = *new Settings;
  return settings;
}

struct Text {
  const char* name;
  Planted (*make)();
};

template <std::string (*kMake)(size_t bytes)>
Planted Worst() {
  return {.text = kMake(TheSettings().worst_bytes), .places = {}};
}

constexpr Text kTexts[] = {
    {"digit_heavy", [] { return DigitHeavy(TheSettings().text_bytes); }},
    {"web_files", [] { return WebFiles(TheSettings().web_files, TheSettings().text_bytes); }},
};
constexpr Text kWorstTexts[] = {
    {"all_digits", Worst<AllDigits>},
    {"all_base64", Worst<AllBase64>},
    {"all_hex", Worst<AllHex>},
    {"digits_and_separators", Worst<DigitsAndSeparators>},
    {"bait", Worst<Bait>},
    {"bait_at_every_offset", Worst<BaitAtEveryOffset>},
    {"all_percent", Worst<AllPercent>},
    {"nested_escapes", Worst<NestedEscapes>},
};

// The text made last; two would not fit in the memory of a small machine beside each other.
const Planted& TextOf(const Text& text) {
  static auto& made = *new std::pair<const char*, Planted>;
  if (made.first != text.name) made = {text.name, text.make()};
  return made.second;
}

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Bytes a second of rows so far, by name.
std::map<std::string, double>& Rates() {
  static auto& rates = *new std::map<std::string, double>;
  return rates;
}

// Runs `run` and keeps the median; returns seconds a run.
double Measure(benchmark::State& state, const std::function<void()>& run) {
  std::vector<double> seconds;
  for (auto _ : state) {
    const double start = ThreadSeconds();
    run();
    seconds.push_back(ThreadSeconds() - start);
    state.SetIterationTime(seconds.back());
  }
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  return seconds[seconds.size() / 2];
}

void Finish(benchmark::State& state, const Text& text, const char* engine, double seconds,
            size_t found) {
  const std::string& bytes = TextOf(text).text;
  const double rate = static_cast<double>(bytes.size()) / seconds;
  Rates()[absl::StrCat(engine, "/", text.name)] = rate;
  state.counters["GB_s"] = rate / 1e9;
  state.counters["found"] = static_cast<double>(found);
  const auto ratio = [&](const char* counter, const std::string& row) {
    if (const auto other = Rates().find(row); other != Rates().end()) {
      state.counters[counter] = rate / other->second;
    }
  };
  ratio("x_read", absl::StrCat("plain_read/", text.name));
  ratio("x_vectorscan", absl::StrCat("vectorscan_iin/", text.name));
  if (TextOf(text).places.empty()) ratio("of_normal", absl::StrCat(engine, "/digit_heavy"));
}

bool HasText(benchmark::State& state, const Text& text) {
  if (!TextOf(text).text.empty()) return true;
  state.SkipWithError("no files: run tests/data/gather-web-files.sh, or give --web_files=DIR");
  return false;
}

class Counter : public card::MatchSink {
 public:
  void OnMatch(const card::CardMatch& /*match*/) override { ++count; }
  size_t count = 0;
};

// Which of the planted numbers are found.
class Recall : public card::MatchSink {
 public:
  explicit Recall(const Planted& planted) : planted_(planted) {}
  void OnMatch(const card::CardMatch& match) override {
    const auto place =
        std::upper_bound(planted_.places.begin(), planted_.places.end(), match.offset,
                         [](uint64_t offset, const auto& next) { return offset < next.begin; });
    if (place == planted_.places.begin()) return;
    if (match.offset < std::prev(place)->end) found_[std::prev(place)->begin] = true;
  }
  // Of all, or of those that are plain.
  double Share(bool plain_only) const {
    double all = 0;
    double found = 0;
    for (const Planted::Place& place : planted_.places) {
      if (plain_only && !place.plain) continue;
      ++all;
      if (found_.contains(place.begin)) ++found;
    }
    return found / std::max(all, 1.0);
  }

 private:
  const Planted& planted_;
  std::map<uint64_t, bool> found_;
};

void FeedAll(card::ScanStream& stream, std::string_view text, card::MatchSink& sink) {
  stream.Begin({});
  stream.Feed(text, sink);
  stream.Finish(sink);
}

void Scan(benchmark::State& state, const Text& text, const char* engine, int decode_depth) {
  if (!HasText(state, text)) return;
  const Planted& planted = TextOf(text);
  card::ScanStream stream({.decode_depth = decode_depth}, card::BrandTable::Default());
  size_t found = 0;
  const double seconds = Measure(state, [&] {
    Counter counter;
    FeedAll(stream, planted.text, counter);
    found = counter.count;
  });
  Finish(state, text, engine, seconds, found);
  if (planted.places.empty()) return;
  Recall recall(planted);
  FeedAll(stream, planted.text, recall);
  state.counters["recall"] = recall.Share(/*plain_only=*/decode_depth == 0);
}

void UseTarget(int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().DeInit();
}

// Messages of a hundred bytes are the commonest.
void ScanShort(benchmark::State& state) {
  const std::string& text = TextOf(kTexts[0]).text;
  constexpr size_t kMessageBytes = 100;
  constexpr size_t kMessages = 100'000;
  card::ScanStream stream({}, card::BrandTable::Default());
  Counter counter;
  const double seconds = Measure(state, [&] {
    size_t at = 0;
    for (size_t i = 0; i < kMessages; ++i) {
      stream.Begin({.location = "/api/items"});
      stream.Feed(std::string_view(text).substr(at, kMessageBytes), counter);
      stream.Finish(counter);
      at = (at + kMessageBytes) % (text.size() - kMessageBytes);
    }
  });
  state.counters["ns_a_message"] = seconds / kMessages * 1e9;
}

bool PassesLuhn(std::string_view match) {
  std::array<uint8_t, 32> digits{};
  size_t count = 0;
  for (const char c : match) {
    if (c >= '0' && c <= '9' && count < digits.size()) digits[count++] = c - '0';
  }
  return card::LuhnValid({digits.data(), count});
}

void Re2(benchmark::State& state, const Text& text) {
  if (!HasText(state, text)) return;
  const std::string& bytes = TextOf(text).text;
  const re2::RE2 pattern(kPattern);
  size_t found = 0;
  const double seconds = Measure(state, [&] {
    found = 0;
    re2::StringPiece rest(bytes);
    re2::StringPiece match;
    while (pattern.Match(rest, 0, rest.size(), re2::RE2::UNANCHORED, &match, 1)) {
      if (PassesLuhn({match.data(), match.size()})) ++found;
      rest.remove_prefix(static_cast<size_t>(match.end() - rest.begin()));
    }
  });
  Finish(state, text, "re2", seconds, found);
}

struct HsFree {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};

// What is matched, from its start, or where that is not told, from the digits and separators before
// its end.
struct HsMatches {
  std::string_view text;
  bool starts = false;
  size_t found = 0;
  size_t last_end = 0;

  void Take(size_t from, size_t to) {
    if (!starts) {
      from = to;
      for (size_t digits = 0; from > last_end && digits < 19; --from) {
        const char c = text[from - 1];
        if (c >= '0' && c <= '9') {
          ++digits;
        } else if (c != ' ' && c != '-') {
          break;
        }
      }
    }
    if (!PassesLuhn(text.substr(from, to - from))) return;
    ++found;
    last_end = to;
  }
};

void Vectorscan(benchmark::State& state, const Text& text, const char* engine, const char* pattern,
                bool starts) {
  if (!HasText(state, text)) return;
  const std::string& bytes = TextOf(text).text;
  hs_database_t* raw_database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile(pattern, starts ? HS_FLAG_SOM_LEFTMOST : 0, HS_MODE_BLOCK, nullptr, &raw_database,
                 &error) != HS_SUCCESS) {
    state.SkipWithError(error->message);
    hs_free_compile_error(error);
    return;
  }
  const std::unique_ptr<hs_database_t, HsFree> database(raw_database);
  hs_scratch_t* raw_scratch = nullptr;
  if (hs_alloc_scratch(database.get(), &raw_scratch) != HS_SUCCESS) {
    state.SkipWithError("no scratch");
    return;
  }
  const std::unique_ptr<hs_scratch_t, HsFree> scratch(raw_scratch);
  HsMatches matches;
  const auto on_match = [](unsigned int /*id*/, unsigned long long from, unsigned long long to,
                           unsigned int /*flags*/, void* context) {
    static_cast<HsMatches*>(context)->Take(from, to);
    return 0;
  };
  const double seconds = Measure(state, [&] {
    matches = {.text = bytes, .starts = starts};
    hs_scan(database.get(), bytes.data(), static_cast<unsigned int>(bytes.size()), 0, scratch.get(),
            on_match, &matches);
  });
  Finish(state, text, engine, seconds, matches.found);
}

void PlainRead(benchmark::State& state, const Text& text) {
  if (!HasText(state, text)) return;
  const std::string& bytes = TextOf(text).text;
  const double seconds = Measure(state, [&] {
    uint64_t sum = 0;
    for (size_t i = 0; i + sizeof(sum) <= bytes.size(); i += sizeof(sum)) {
      uint64_t word = 0;
      memcpy(&word, bytes.data() + i, sizeof(word));
      sum += word;
    }
    benchmark::DoNotOptimize(sum);
  });
  Finish(state, text, "plain_read", seconds, 0);
}

// The first pass alone, over windows as the scanner has them.
void FirstPassStage(benchmark::State& state, const Text& text, bool encodings) {
  if (!HasText(state, text)) return;
  const std::string& bytes = TextOf(text).text;
  const card::NumberFilter filter(card::BrandTable::Default());
  constexpr size_t kWindow = size_t{56} << 10;
  struct Kind {
    const char* name;
    card::Places::Masks card::Places::*masks;
  };
  constexpr Kind kKinds[] = {
      {"digits", &card::Places::digits},   {"wide", &card::Places::wide},
      {"escapes", &card::Places::escapes}, {"breaks", &card::Places::breaks},
      {"base64", &card::Places::base64},   {"base64_runs", &card::Places::base64_runs},
      {"hex", &card::Places::hex},         {"values", &card::Places::values}};
  const auto run = [&](auto take) {
    card::Places places;
    for (size_t at = 0; at < bytes.size(); at += kWindow) {
      const std::string_view window = std::string_view(bytes).substr(at, kWindow);
      card::FirstPass pass(window, 0, window.size(), {.encodings = encodings, .fields = encodings},
                           filter);
      while (pass.Next(places)) take(places);
    }
  };
  uint64_t blocks = 0;
  const double seconds = Measure(state, [&] {
    blocks = 0;
    run([&](const card::Places& places) { blocks += std::popcount(places.blocks); });
  });
  const double all_blocks = static_cast<double>(bytes.size()) / card::kBlockBytes;
  state.counters["ns_KiB"] = seconds / static_cast<double>(bytes.size()) * 1024 * 1e9;
  state.counters["blocks"] = static_cast<double>(blocks) / all_blocks;
  for (const Kind& kind : kKinds) {
    uint64_t of_kind = 0;
    run([&](const card::Places& places) {
      for (size_t i = 0; i < card::Places::kBlocks; ++i) {
        if ((places.blocks >> i & 1) != 0 && (places.*kind.masks)[i] != 0) ++of_kind;
      }
    });
    state.counters[kind.name] = static_cast<double>(of_kind) / all_blocks;
  }
}

void ScanStage(benchmark::State& state, const Text& text, int decode_depth) {
  if (!HasText(state, text)) return;
  const std::string& bytes = TextOf(text).text;
  card::ScanStream stream({.decode_depth = decode_depth}, card::BrandTable::Default());
  Counter counter;
  const double seconds = Measure(state, [&] { FeedAll(stream, bytes, counter); });
  state.counters["ns_KiB"] = seconds / static_cast<double>(bytes.size()) * 1024 * 1e9;
}

void Register() {
  const auto add = [](const std::string& name, int runs, auto run) {
    benchmark::RegisterBenchmark(name.c_str(), run)
        ->Unit(benchmark::kMillisecond)
        ->UseManualTime()
        ->Iterations(runs);
  };
  const int runs = TheSettings().runs;
  for (const Text& text : kTexts) {
    const auto row = [&](const char* engine) { return absl::StrCat(engine, "/", text.name); };
    add(row("plain_read"), runs, [&text](benchmark::State& state) { PlainRead(state, text); });
    add(row("vectorscan_iin"), runs, [&text](benchmark::State& state) {
      Vectorscan(state, text, "vectorscan_iin", kIinPattern, /*starts=*/false);
    });
    add(row("vectorscan"), std::min(runs, 3), [&text](benchmark::State& state) {
      Vectorscan(state, text, "vectorscan", kPattern, /*starts=*/true);
    });
    add(row("re2"), std::min(runs, 3), [&text](benchmark::State& state) { Re2(state, text); });
    add(row("scan"), runs, [&text](benchmark::State& state) { Scan(state, text, "scan", 3); });
    add(row("scan_plain"), runs,
        [&text](benchmark::State& state) { Scan(state, text, "scan_plain", 0); });
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      const std::string engine = absl::StrCat("scan_", hwy::TargetName(target));
      add(row(engine.c_str()), 2, [&text, target, engine](benchmark::State& state) {
        UseTarget(target);
        Scan(state, text, engine.c_str(), 3);
        UseTarget(0);
      });
    }
    const std::string stage = absl::StrCat("stage/", text.name, "/");
    add(stage + "first_pass_plain", runs,
        [&text](benchmark::State& state) { FirstPassStage(state, text, false); });
    add(stage + "first_pass", runs,
        [&text](benchmark::State& state) { FirstPassStage(state, text, true); });
    for (const int depth : {0, 1, 2, 3}) {
      add(absl::StrCat(stage, "scan_depth_", depth), runs,
          [&text, depth](benchmark::State& state) { ScanStage(state, text, depth); });
    }
    if (&text == &kTexts[0]) add("scan/messages_of_100_bytes", runs, ScanShort);
  }
  for (const Text& text : kWorstTexts) {
    add(absl::StrCat("scan/", text.name), std::min(runs, 3),
        [&text](benchmark::State& state) { Scan(state, text, "scan", 3); });
    add(absl::StrCat("scan_plain/", text.name), std::min(runs, 3),
        [&text](benchmark::State& state) { Scan(state, text, "scan_plain", 0); });
  }
}

// Takes what is meant for this program out of the arguments.
void ReadArguments(int& argc, char** argv) {
  Settings& settings = TheSettings();
  settings.web_files = absl::StrCat(SKIMWATCH_SOURCE_DIR, "/build/corpus/web-files");
  bool quick = false;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    double min_time = 1;
    if (absl::ConsumePrefix(&argument, "--web_files=")) {
      settings.web_files = std::string(argument);
      continue;
    }
    if (argument == "--quick") {
      quick = true;
      continue;
    }
    argv[kept++] = argv[i];
    if (absl::ConsumePrefix(&argument, "--benchmark_min_time=") &&
        absl::SimpleAtod(absl::StripSuffix(argument, "s"), &min_time) && min_time < 0.1) {
      quick = true;
    }
  }
  argc = kept;
  if (!quick) return;
  settings.text_bytes = size_t{32} << 20;
  settings.worst_bytes = size_t{4} << 20;
  settings.runs = 3;
}

}  // namespace
}  // namespace skimwatch::bench

int main(int argc, char** argv) {
  skimwatch::bench::ReadArguments(argc, argv);
  skimwatch::bench::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
