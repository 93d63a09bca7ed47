// How fast bytes are searched for card numbers, beside the regular expressions that one would use
// instead, each with the Luhn test over what matches, and beside reading the bytes at all.
//
//   bench_card [--benchmark_filter=...] [--benchmark_out=FILE --benchmark_out_format=json]
//
// Rows: engine, then text (corpus.h). Counters: bytes a second, and numbers found in the text.
// `scan` is the scanner with its default of two encodings undone, `scan_plain` without. The regular
// expressions know no brands, encodings or evidence.

#include <hs.h>
#include <re2/re2.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/card/brand_table.h"
#include "agent/card/luhn.h"
#include "agent/card/scanner.h"
#include "benchmark/benchmark.h"
#include "tests/bench/card/corpus.h"

namespace skimwatch::bench {
namespace {

constexpr size_t kTextBytes = size_t{16} << 20;
constexpr char kPattern[] = R"(\b(?:\d[ -]?){12,18}\d\b)";

struct Text {
  const char* name;
  std::string (*make)(size_t bytes);
};
constexpr Text kTexts[] = {
    {"web_traffic", WebTraffic},
    {"scripts", Scripts},
    {"all_digits", AllDigits},
    {"all_base64", AllBase64},
    {"all_hex", AllHex},
    {"digits_and_separators", DigitsAndSeparators},
    {"bait", Bait},
    {"bait_at_every_offset", BaitAtEveryOffset},
    {"all_percent", AllPercent},
    {"nested_escapes", NestedEscapes},
};

const std::string& TextOf(const Text& text) {
  static auto& made = *new std::map<std::string_view, std::string>;
  std::string& bytes = made[text.name];
  if (bytes.empty()) bytes = text.make(kTextBytes);
  return bytes;
}

void Finish(benchmark::State& state, const std::string& text, size_t found) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  state.counters["found"] = static_cast<double>(found);
}

class Counter : public card::MatchSink {
 public:
  void OnMatch(const card::CardMatch& /*match*/) override { ++count; }
  size_t count = 0;
};

void Scan(benchmark::State& state, const Text& which, int decode_depth) {
  const std::string& text = TextOf(which);
  card::ScanStream stream({.decode_depth = decode_depth}, card::BrandTable::Default());
  size_t found = 0;
  for (auto _ : state) {
    Counter counter;
    stream.Begin({});
    stream.Feed(text, counter);
    stream.Finish(counter);
    found = counter.count;
  }
  Finish(state, text, found);
}

// Messages of a hundred bytes are the commonest.
void ScanShort(benchmark::State& state) {
  const std::string& text = TextOf(kTexts[0]);
  constexpr size_t kMessageBytes = 100;
  card::ScanStream stream({}, card::BrandTable::Default());
  Counter counter;
  size_t at = 0;
  for (auto _ : state) {
    stream.Begin({.location = "/api/items"});
    stream.Feed(std::string_view(text).substr(at, kMessageBytes), counter);
    stream.Finish(counter);
    at = (at + kMessageBytes) % (text.size() - kMessageBytes);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kMessageBytes));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

bool PassesLuhn(std::string_view match) {
  std::vector<uint8_t> digits;
  for (const char c : match) {
    if (c >= '0' && c <= '9') digits.push_back(static_cast<uint8_t>(c - '0'));
  }
  return card::LuhnValid(digits);
}

void Re2(benchmark::State& state, const Text& which) {
  const std::string& text = TextOf(which);
  const re2::RE2 pattern(kPattern);
  size_t found = 0;
  for (auto _ : state) {
    found = 0;
    re2::StringPiece rest(text);
    re2::StringPiece match;
    while (pattern.Match(rest, 0, rest.size(), re2::RE2::UNANCHORED, &match, 1)) {
      if (PassesLuhn({match.data(), match.size()})) ++found;
      rest.remove_prefix(static_cast<size_t>(match.end() - rest.begin()));
    }
  }
  Finish(state, text, found);
}

struct HsFree {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};

void Vectorscan(benchmark::State& state, const Text& which) {
  const std::string& text = TextOf(which);
  hs_database_t* raw_database = nullptr;
  hs_compile_error_t* error = nullptr;
  // The start of the match is needed for its digits.
  if (hs_compile(kPattern, HS_FLAG_SOM_LEFTMOST, HS_MODE_BLOCK, nullptr, &raw_database, &error) !=
      HS_SUCCESS) {
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
  struct Matches {
    std::string_view text;
    size_t found = 0;
  } matches;
  const auto on_match = [](unsigned int /*id*/, unsigned long long from, unsigned long long to,
                           unsigned int /*flags*/, void* context) {
    auto& all = *static_cast<Matches*>(context);
    if (PassesLuhn(all.text.substr(from, to - from))) ++all.found;
    return 0;
  };
  for (auto _ : state) {
    matches = {.text = text};
    hs_scan(database.get(), text.data(), static_cast<unsigned int>(text.size()), 0, scratch.get(),
            on_match, &matches);
  }
  Finish(state, text, matches.found);
}

void PlainRead(benchmark::State& state, const Text& which) {
  const std::string& text = TextOf(which);
  for (auto _ : state) {
    uint64_t sum = 0;
    for (size_t i = 0; i + sizeof(sum) <= text.size(); i += sizeof(sum)) {
      uint64_t word = 0;
      memcpy(&word, text.data() + i, sizeof(word));
      sum += word;
    }
    benchmark::DoNotOptimize(sum);
  }
  Finish(state, text, 0);
}

void Register() {
  const auto add = [](std::string_view engine, const Text& text, auto run) {
    benchmark::RegisterBenchmark(absl::StrCat(std::string(engine), "/", text.name).c_str(), run)
        ->Unit(benchmark::kMillisecond);
  };
  for (const Text& text : kTexts) {
    add("scan", text, [&text](benchmark::State& state) { Scan(state, text, 2); });
    add("scan_plain", text, [&text](benchmark::State& state) { Scan(state, text, 0); });
    add("vectorscan", text, [&text](benchmark::State& state) { Vectorscan(state, text); });
    add("re2", text, [&text](benchmark::State& state) { Re2(state, text); });
    add("plain_read", text, [&text](benchmark::State& state) { PlainRead(state, text); });
  }
  benchmark::RegisterBenchmark("scan/messages_of_100_bytes", ScanShort);
}

}  // namespace
}  // namespace skimwatch::bench

int main(int argc, char** argv) {
  skimwatch::bench::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
